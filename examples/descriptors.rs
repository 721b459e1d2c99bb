//! The ways to talk with a command, besides its standard streams: a pipe, a UNIX socket, shared
//! memory. Each is a descriptor at a number that both sides know; nothing else is inherited.
//!
//! ```text
//! cargo run --example descriptors
//! ```

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

use ringfence::{Memory, Profile, Sandbox, Stdio};

fn main() -> Result<(), Box<dyn Error>> {
    let sandbox = Sandbox::new(&Profile::load("untrusted")?)?;
    pipe(&sandbox)?;
    socket(&sandbox)?;
    memory(&sandbox)?;
    Ok(())
}

/// One way: results by a pipe of their own, whatever the command prints.
fn pipe(sandbox: &Sandbox) -> Result<(), Box<dyn Error>> {
    let (mut reader, writer) = std::io::pipe()?;
    let mut command = sandbox.command("sh");
    command.args(["-c", "echo chatter; echo 42 >&3"]).stdout(Stdio::null()).fd(3, writer);
    let mut child = command.spawn()?;
    // A command can be spawned again, and so keeps what it was given. What is read from a pipe ends
    // only when nobody has its other side any more.
    drop(command);
    let mut result = String::new();
    reader.read_to_string(&mut result)?;
    println!("pipe: {}", result.trim());
    println!("pipe: {}", child.wait()?.ending);
    Ok(())
}

/// Both ways: questions and answers, one line each.
fn socket(sandbox: &Sandbox) -> Result<(), Box<dyn Error>> {
    let (ours, theirs) = UnixStream::pair()?;
    let script = "while read -r a b <&3; do echo $((a * b)) >&3; done";
    let mut command = sandbox.command("sh");
    let mut child = command.args(["-c", script]).fd(3, theirs).spawn()?;
    drop(command);
    let mut answers = BufReader::new(ours.try_clone()?).lines();
    for question in ["6 7", "12 12"] {
        (&ours).write_all(format!("{question}\n").as_bytes())?;
        let answer = answers.next().ok_or("there is no answer")??;
        println!("socket: {question} is {answer}");
    }
    // The command reads to the end, and then ends itself.
    ours.shutdown(std::net::Shutdown::Write)?;
    println!("socket: {}", child.wait()?.ending);
    Ok(())
}

/// Much at once: an input that nobody can change any more, and a place for the result.
fn memory(sandbox: &Sandbox) -> Result<(), Box<dyn Error>> {
    let input = Memory::sealed("to be or not to be\n".repeat(1000))?;
    let result = Memory::new(64)?;
    let script = "wc -w <&3 >&4; echo overwritten 2>&1 >&3";
    let mut command = sandbox.command("sh");
    command.args(["-c", script]).fd(3, input.try_clone()?).fd(4, result.try_clone()?);
    let output = command.output()?;
    let mut words = [0; 64];
    result.read_exact_at(&mut words, 0)?;
    let mut beginning = [0; 18];
    input.read_exact_at(&mut beginning, 0)?;
    println!("memory: {} words", String::from_utf8_lossy(&words).trim_end_matches('\0').trim());
    println!("memory: the input is still \"{}\"", String::from_utf8_lossy(&beginning));
    println!("memory: writing to it: {}", output.outcome.ending);
    Ok(())
}
