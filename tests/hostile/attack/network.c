/* Attacks on what can be reached by sockets. */
#include "attack.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

/* A server of the host's listens at this abstract address, by stream and by datagram. */
void abstract_socket(char **arguments) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path + 1, arguments[0], sizeof address.sun_path - 2);
    socklen_t length = sizeof(sa_family_t) + 1 + strlen(arguments[0]);
    int stream = socket(AF_UNIX, SOCK_STREAM, 0);
    escaped_if(connect(stream, (struct sockaddr *)&address, length), "a stream");
    strcat(address.sun_path + 1, "-datagram");
    length += strlen("-datagram");
    int datagram = socket(AF_UNIX, SOCK_DGRAM, 0);
    escaped_if(sendto(datagram, "x", 1, 0, (struct sockaddr *)&address, length), "a datagram");
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0)
        escaped_if(sendto(pair[0], "x", 1, 0, (struct sockaddr *)&address, length), "of a pair");
}

/* The same at a path, which may be too long for the address: by a descriptor of its directory. */
void path_socket(char **arguments) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *forms[] = {"%s", "/proc/self/root%s", "/proc/1/root%s"};
    for (size_t at = 0; at < sizeof forms / sizeof *forms; at++) {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0), pair[2] = {-1, -1};
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(address.sun_path, sizeof address.sun_path, forms[at], arguments[0]);
        escaped_if(connect(fd, (struct sockaddr *)&address, sizeof address), address.sun_path);
        if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0)
            escaped_if(connect(pair[0], (struct sockaddr *)&address, sizeof address),
                       "an end of a pair");
        close(fd);
    }
}

/* Families that hardly any program needs, with code that hardly anybody looks at. */
void families(char **arguments) {
    (void)arguments;
    const struct {
        int family, kind, protocol;
        const char *name;
    } tried[] = {
        {AF_PACKET, SOCK_RAW, 0, "packet"},      {AF_PACKET, SOCK_DGRAM, 0x300, "packet datagrams"},
        {AF_ALG, SOCK_SEQPACKET, 0, "alg"},      {AF_VSOCK, SOCK_STREAM, 0, "vsock"},
        {AF_VSOCK, SOCK_DGRAM, 0, "vsock datagrams"}, {AF_BLUETOOTH, SOCK_RAW, 1, "bluetooth"},
        {AF_CAN, SOCK_RAW, 1, "can"},            {AF_TIPC, SOCK_STREAM, 0, "tipc"},
        {AF_RDS, SOCK_SEQPACKET, 0, "rds"},      {AF_KEY, SOCK_RAW, 2, "key"},
        {AF_XDP, SOCK_RAW, 0, "xdp"},            {AF_SMC, SOCK_STREAM, 0, "smc"},
        {AF_QIPCRTR, SOCK_DGRAM, 0, "qrtr"},     {AF_NFC, SOCK_RAW, 0, "nfc"},
        {AF_KCM, SOCK_DGRAM, 0, "kcm"},          {AF_INET, SOCK_RAW, 255, "raw"},
        {AF_INET6, SOCK_RAW, 255, "raw of IPv6"}, {AF_INET, SOCK_STREAM, 262, "MPTCP"},
        {AF_INET6, SOCK_STREAM, 262, "MPTCP of IPv6"}, {AF_INET, SOCK_STREAM, 132, "sctp"},
        {AF_INET, SOCK_DCCP, 33, "dccp"},        {AF_INET, SOCK_STREAM, 256, "smc by TCP"},
        {AF_NETLINK, SOCK_RAW, 9, "audit"},      {AF_NETLINK, SOCK_RAW, 6, "xfrm"},
        {AF_NETLINK, SOCK_RAW, 12, "netfilter"}, {AF_NETLINK, SOCK_RAW, 15, "uevents"},
        {AF_NETLINK, SOCK_RAW, 16, "generic"},   {AF_NETLINK, SOCK_RAW, 21, "crypto"},
    };
    for (size_t at = 0; at < sizeof tried / sizeof *tried; at++)
        escaped_if(socket(tried[at].family, tried[at].kind, tried[at].protocol), tried[at].name);
}

static int to(int port, int family, int kind, int protocol, int fast) {
    struct sockaddr_in4_or_6 {
        union {
            struct sockaddr_in four;
            struct sockaddr_in6 six;
        };
    } address = {0};
    socklen_t length = family == AF_INET ? sizeof address.four : sizeof address.six;
    int fd = socket(family, kind, protocol);
    if (fd < 0) return -1;
    if (family == AF_INET) {
        address.four.sin_family = AF_INET;
        address.four.sin_port = htons(port);
        address.four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else {
        address.six.sin6_family = AF_INET6;
        address.six.sin6_port = htons(port);
        inet_pton(AF_INET6, "::ffff:127.0.0.1", &address.six.sin6_addr);
    }
    int on = 1;
    struct iovec text = {"x", 1};
    struct msghdr message = {&address, length, &text, 1, NULL, 0, 0};
    switch (fast) {
    case 1: return sendto(fd, "x", 1, MSG_FASTOPEN, (void *)&address, length);
    case 2: return sendmsg(fd, &message, MSG_FASTOPEN);
    case 3:
        setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on);
        return connect(fd, (void *)&address, length);
    case 4: return syscall(SYS_sendto, fd, "x", 1L, MSG_FASTOPEN | HIGH, &address, (long)length);
    case 5: {
        struct mmsghdr many = {message, 0};
        return sendmmsg(fd, &many, 1, MSG_FASTOPEN);
    }
    case 6: { /* Forget the address, and connect again. */
        struct sockaddr none = {.sa_family = AF_UNSPEC};
        connect(fd, &none, sizeof none);
        return connect(fd, (void *)&address, length);
    }
    default: return connect(fd, (void *)&address, length);
    }
}

/* A server of the host's listens at this TCP port, which isn't to be reached; at the next argument
 * is one that may be (0: none). */
void tcp(char **arguments) {
    int port = atoi(arguments[0]);
    const char *names[] = {"connect",           "sendto, fast open",  "sendmsg, fast open",
                           "connect, fast open", "sendto, high bits", "sendmmsg, fast open",
                           "connect after none"};
    for (int fast = 0; fast < 7; fast++) {
        char text[64];
        for (int six = 0; six < 2; six++) {
            int family = six ? AF_INET6 : AF_INET;
            snprintf(text, sizeof text, "%s, TCP of %s", names[fast], six ? "IPv6" : "IPv4");
            escaped_if(to(port, family, SOCK_STREAM, 0, fast), text);
            snprintf(text, sizeof text, "%s, MPTCP of %s", names[fast], six ? "IPv6" : "IPv4");
            escaped_if(to(port, family, SOCK_STREAM, 262, fast), text);
            snprintf(text, sizeof text, "%s, SMC of %s", names[fast], six ? "IPv6" : "IPv4");
            escaped_if(to(port, AF_SMC, SOCK_STREAM, six, fast), text);
        }
    }
}

/* Makes a network device, and takes loopback down: by netlink and by ioctl. */
void netlink(char **arguments) {
    (void)arguments;
    struct {
        struct nlmsghdr head;
        struct ifinfomsg info;
    } request = {0};
    request.head.nlmsg_len = sizeof request;
    request.head.nlmsg_type = RTM_NEWLINK;
    request.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    request.info.ifi_index = 1;
    request.info.ifi_change = 0x100; /* Promiscuous: changes nothing that anybody sees. */
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
        char rest[512];
    } answer = {0};
    if (fd < 0 || send(fd, &request, sizeof request, 0) < 0 ||
        recv(fd, &answer, sizeof answer, 0) < 0) {
        printf("denied netlink: %s\n", strerrorname_np(errno));
        return;
    }
    errno = -answer.error.error;
    escaped_if(answer.error.error ? -1 : 0, "changing loopback");
}
