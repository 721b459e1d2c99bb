/* What the attacks share. An attack tries every way it knows, says each one that worked, and ends
 * with the line "end": without that line it proves nothing. */
#ifndef ATTACK_H
#define ATTACK_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* Bits that the kernel ignores in an argument of 32 bits. */
#define HIGH (1UL << 32)

/* Says that a way worked: the line that the test looks for. */
void escaped(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same if `result` is no failure; says the error otherwise, for who reads the log. */
int escaped_if(long result, const char *what);

/* Runs a function in a process of its own, which the attempt may end; its result, or -1. */
int in_child(int (*function)(char **), char **arguments);

typedef void attack(char **arguments);

attack content, metadata, handles, own_namespaces, pinned, outside, hidden, submounts, exchanged;
attack kernel_files, devices, common_devices, io_uring, new_calls, foreign, high_bits, setid, terminal, danger;
attack abstract_socket, path_socket, families, tcp, netlink;
attack launcher, limits, victim, host_namespaces, descriptors, environment, ipc, keyrings;
attack fork_bomb, memory, cgroup, locks, early;
attack vforked, stopping, frozen, stuck;

/* What a host or a caller does to the launcher: `attack as WHAT ...`; see callers.c. */
int as_caller(char **arguments);

#endif
