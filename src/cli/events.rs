//! `--events`: a line of JSON for everything that happens to a run.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::render;
use crate::error::Error;
use crate::launch::{Chosen, Happened};
use crate::report::{Ending, Outcome};

/// Where events go.
pub(super) struct Events {
    file: Option<File>,
    /// Whether a limit was told when it was reached.
    told_limit: bool,
}

impl Events {
    /// Opens the place; `fd:N` is a descriptor of the caller's.
    pub(super) fn open(place: Option<&Path>) -> Result<Self, Error> {
        let Some(place) = place else { return Ok(Self { file: None, told_limit: false }) };
        let fail = |error: std::io::Error| {
            Error::Usage(format!("--events {}: can't be written to: {error}", place.display()))
        };
        let number = place.to_str().and_then(|text| text.strip_prefix("fd:"));
        let file = match number {
            Some(number) => {
                let number = number.parse().map_err(|_| {
                    Error::Usage(format!("--events fd:{number}: write the number of a descriptor"))
                })?;
                File::from(crate::os::duplicate_descriptor(number).map_err(fail)?)
            }
            None => crate::os::append_to(place).map_err(fail)?,
        };
        Ok(Self { file: Some(file), told_limit: false })
    }

    /// Writes one event, with the time.
    fn write(&mut self, name: &str, fields: Value) {
        self.write_of(crate::os::clocks(), name, fields);
    }

    /// Writes an event that happened at this time, by both clocks.
    fn write_of(&mut self, (time, monotonic): (Duration, Duration), name: &str, mut fields: Value) {
        let Some(file) = &mut self.file else { return };
        fields["event"] = name.into();
        fields["time"] = time.as_secs_f64().into();
        fields["monotonic"] = monotonic.as_secs_f64().into();
        let line = format!("{fields}\n");
        if let Err(error) = file.write_all(line.as_bytes()) {
            render::line(&format!("events could not be written: {error}"));
            // Once is enough.
            self.file = None;
        }
    }

    /// The sandbox is set up and confirmed, and the command was let go.
    pub(super) fn started(&mut self, chosen: &Chosen, pid: u32) {
        if self.file.is_none() {
            return;
        }
        // The command runs already: what it takes to write all this is no part of when that began.
        let now = crate::os::clocks();
        let plan = &chosen.plan;
        let fields = json!({ "profile": plan.profile, "level": plan.requested });
        self.write_of(now, "planned", fields);
        for state in &plan.layers {
            let fields = json!({
                "layer": state.layer, "status": state.status, "mechanism": state.mechanism,
            });
            self.write_of(now, "layer", fields);
        }
        self.write_of(now, "started", json!({ "pid": pid }));
    }

    pub(super) fn happened(&mut self, happened: Happened) {
        match happened {
            Happened::Executed => self.write("running", json!({})),
            Happened::Stopped { signal } => self.write("stopped", json!({ "signal": signal })),
            Happened::Continued => self.write("continued", json!({})),
            Happened::Signal { signal } => self.write("signal", json!({ "signal": signal })),
            Happened::Limit { limit } => {
                self.told_limit = true;
                self.write("limit", json!({ "limit": limit }));
            }
            Happened::Killed => self.write("killed", json!({})),
        }
    }

    /// The run has ended, or never began.
    pub(super) fn ended(&mut self, outcome: &Outcome) {
        let kills = outcome.usage.and_then(|usage| usage.oom_kills).unwrap_or(0);
        if kills > 0 {
            self.write("oom-kill", json!({ "count": kills }));
        }
        if let (Ending::Limit { limit, .. }, false) = (&outcome.ending, self.told_limit) {
            self.write("limit", json!({ "limit": limit }));
        }
        let fields = json!({ "outcome": outcome.ending, "exit_code": outcome.exit_code });
        self.write("ended", fields);
    }
}
