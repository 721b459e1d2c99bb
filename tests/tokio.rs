//! Children as futures.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod support;

use std::future::Future;
use std::time::Duration;

use ringfence::{Ending, Profile, Sandbox, Stdio, tokio as sandboxed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Runs a future on one thread, which is this one.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

fn sandbox() -> Sandbox {
    Sandbox::new(&Profile::load("default").unwrap()).unwrap()
}

#[test]
fn output_holds_both_streams_and_the_status() {
    let script = "head -c 300000 /dev/zero; echo err >&2; exit 3";
    let sandbox = sandbox();
    let mut command = sandbox.command("sh");
    let output = block_on(sandboxed::output(command.args(["-c", script]))).unwrap();
    assert_eq!(output.outcome.ending, Ending::Exited { code: 3 });
    assert_eq!((output.stdout.len(), &*output.stderr), (300_000, &b"err\n"[..]));
}

#[test]
fn output_beyond_the_limit_ends_the_run() {
    let profile = Profile::load("default").unwrap();
    let profile = profile.set("limits.output", "10KiB").set("limits.output_overflow", "kill");
    let sandbox = Sandbox::new(&profile).unwrap();
    let output = block_on(sandboxed::output(&mut sandbox.command("yes"))).unwrap();
    assert_eq!(output.outcome.ending, Ending::Limit { limit: "output".into(), signal: 9 });
    assert_eq!(output.stdout.len(), 10 * 1024);
}

#[test]
fn pipes_lead_into_the_command_and_out_of_it() {
    block_on(async {
        let sandbox = sandbox();
        let mut command = sandbox.command("cat");
        let mut child =
            sandboxed::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped())).unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        for line in ["one\n", "two\n"] {
            stdin.write_all(line.as_bytes()).await.unwrap();
            let mut answer = [0; 4];
            stdout.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, line.as_bytes());
        }
        drop(stdin);
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn a_wait_that_is_given_up_can_be_taken_up_again() {
    block_on(async {
        let sandbox = sandbox();
        let mut child = sandboxed::spawn(sandbox.command("sleep").arg("0.2")).unwrap();
        assert!(child.wait_timeout(Duration::from_millis(5)).await.unwrap().is_none());
        assert!(child.wait().await.unwrap().success());
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn a_cancelled_future_takes_its_tree_with_it() {
    block_on(async {
        let sandbox = sandbox();
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = sandbox.command("sh");
        command.args(["-c", "echo up; sleep 60 & sleep 60"]).stdout(writer);
        let mut reader = tokio::net::unix::pipe::Receiver::from_owned_fd(reader.into()).unwrap();
        {
            let run = sandboxed::status(&mut command);
            let heard = async {
                let mut line = [0; 3];
                reader.read_exact(&mut line).await
            };
            let mut run = std::pin::pin!(run);
            let mut heard = std::pin::pin!(heard);
            std::future::poll_fn(|context| {
                assert!(run.as_mut().poll(context).is_pending());
                heard.as_mut().poll(context).map(|heard| heard.unwrap())
            })
            .await;
        }
        drop(command); // It holds the pipe's other side, too.
        // End of file: nobody is left who could write.
        assert_eq!(reader.read(&mut [0; 1]).await.unwrap(), 0);
    });
}

#[test]
fn limits_of_time_hold_while_a_child_is_awaited() {
    let profile = Profile::load("default").unwrap().set("limits.wall_time", "100ms");
    let sandbox = Sandbox::new(&profile).unwrap();
    let before = std::time::Instant::now();
    let outcome = block_on(sandboxed::status(sandbox.command("sleep").arg("20"))).unwrap();
    assert_eq!(outcome.ending, Ending::TimedOut);
    assert!(before.elapsed() < Duration::from_secs(10));
}

#[test]
fn the_processor_time_of_a_tree_is_limited_while_a_child_is_awaited() {
    let profile = Profile::load("default").unwrap().set("limits.cpu_time", "1s");
    let sandbox = Sandbox::new(&profile).unwrap();
    let held = |state: &ringfence::LayerState| {
        state.layer == ringfence::Layer::Cgroup && state.status == ringfence::Status::Enforced
    };
    if !sandbox.layers().iter().any(held) {
        return support::skip("cgroup", "no cgroup counts processor time here");
    }
    // Each process stays below the limit.
    let script = "while :; do timeout 0.4 sh -c 'while :; do :; done'; done";
    let mut command = sandbox.command("sh");
    command.args(["-c", script]).wall_time(Duration::from_secs(30));
    let outcome = block_on(sandboxed::status(&mut command)).unwrap();
    assert!(
        matches!(&outcome.ending, Ending::Limit { limit, .. } if limit == "cpu_time"),
        "{outcome:?}"
    );
}

#[test]
fn all_of_this_holds_for_an_unprivileged_user() {
    support::again_as_user("all_of_this_holds_for_an_unprivileged_user");
}
