//! What a failed launch taught, written into the facts.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::Contradiction;
use crate::plan::facts::cgroup::{CgroupFacts, Controller, Support as CgroupSupport};
use crate::plan::facts::{HostFacts, Support};
use crate::profile::vocabulary::Namespace;

impl Contradiction {
    /// Replaces what was assumed by what was seen.
    pub(crate) fn correct(&self, facts: &mut HostFacts) {
        match self {
            Self::UserNamespace(cause) => {
                facts.namespaces.insert(Namespace::User, Support::Missing(cause.clone()));
            }
            Self::Namespaces(cause) => {
                for namespace in Namespace::ALL {
                    facts.namespaces.insert(*namespace, Support::Missing(cause.clone()));
                }
            }
            Self::Namespace(namespace, cause) => {
                facts.namespaces.insert(*namespace, Support::Missing(cause.clone()));
            }
            Self::Mounting(cause) => facts.mount_descriptors = Support::Missing(cause.clone()),
            Self::FreshProc(cause) => facts.fresh_proc = Support::Missing(cause.clone()),
            Self::OwnerMapping(source, _) => {
                // Those on the same file system needn't each fail a launch to show it.
                let device = |path: &Path| path.metadata().map(|metadata| metadata.dev()).ok();
                let refused = device(source);
                let alike = |path: &&PathBuf| refused.is_some() && device(path) == refused;
                facts.unmappable.extend(facts.paths.keys().filter(alike).cloned());
                facts.unmappable.insert(source.clone());
            }
            Self::Cgroup(controller, missing) => {
                let all = Controller::ALL;
                let one = controller.as_ref().map_or(&all[..], std::slice::from_ref);
                for controller in one {
                    *slot(&mut facts.cgroup, *controller) = CgroupSupport::Missing(missing.clone());
                }
                if controller.is_none() {
                    facts.cgroup.place = None;
                }
            }
        }
    }
}

fn slot(facts: &mut CgroupFacts, controller: Controller) -> &mut CgroupSupport {
    let supports = &mut facts.supports;
    match controller {
        Controller::Memory => &mut supports.memory,
        Controller::Swap => &mut supports.swap,
        Controller::Processes => &mut supports.processes,
        Controller::Cpu => &mut supports.cpu,
        Controller::CpuAccounting => &mut supports.cpu_accounting,
        Controller::Cpuset => &mut supports.cpuset,
        Controller::Io => &mut supports.io,
        Controller::Kill => &mut supports.kill,
    }
}
