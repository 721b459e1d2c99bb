//! A tightening never loosens: what a later profile refuses or hides, and what a run limits, takes
//! away and never gives.

use super::profile_text::one_source;
use super::{Choices, planning, profiles};
use crate::plan;
use crate::policy::arch::{Arch, call_names};
use crate::policy::seccomp::{Verdict, groups};
use crate::policy::{Policy, ProfileIdentity, validate};
use crate::profile::layering::{merge, overlay};
use crate::profile::model::{Profile, Setting};
use crate::profile::parse::parse;
use crate::profile::source::Spanned;
use crate::profile::vocabulary::{Enforcement, Layer, NetworkMode};

pub(super) fn target(data: &[u8]) {
    let mut choices = Choices::new(data);
    let text = profiles::profile(&mut choices, true);
    let (sources, id) = one_source(&text);
    let Ok(profile) = parse(&sources, id) else { return };
    let judged = |profile: Profile| {
        validate(profile, ProfileIdentity::default(), &sources, &planning::context()).ok()
    };
    let Some(before) = judged(profile.clone()) else { return };
    let change = change(&mut choices, &profile);
    let laid_over = if choices.flag() { merge } else { overlay };
    let Some(after) = judged(laid_over(profile, change.clone())) else {
        panic!("what was right is wrong when it is tightened: {change:?}");
    };
    no_layer_is_lost(&before, &after);
    no_call_is_won(&before, &after, &mut choices);
    for path in &before.filesystem.hide {
        assert!(after.filesystem.hide.contains(path), "{} shows again", path.display());
    }
    let (name, host) = plan::tests::host(choices.byte());
    crate::launch::fuzzing::tightened(&before, &host, &mut choices)
        .unwrap_or_else(|what| panic!("{name}: {what}: {text}"));
}

/// A change that only takes away.
fn change(choices: &mut Choices<'_>, profile: &Profile) -> Profile {
    let mut change = Profile::default();
    let groups: Vec<&str> = groups::all().map(|group| group.name).collect();
    let own: Vec<&str> = profile.seccomp.allow.iter().map(|name| name.as_str()).collect();
    for _ in 0..choices.below(4) {
        let denied = match choices.below(3) {
            0 if !own.is_empty() => choices.pick(&own),
            1 => choices.pick(call_names()),
            _ => choices.pick(&groups),
        };
        change.seccomp.deny.push(Spanned::from(denied.to_owned()));
    }
    if choices.flag() {
        change.filesystem.hide.push(Spanned::from("/usr/local".to_owned()));
    }
    for layer in choices.some(Layer::ALL, 2) {
        let off = |setting: &Spanned<Enforcement>| setting.value == Enforcement::Off;
        // Taking back what somebody switched off is another thing than tightening.
        let named = profile.namespaces.keys().any(|namespace| namespace.layer() == layer);
        if !named && !profile.enforcement.get(&layer).is_some_and(off) {
            change.enforcement.insert(layer, Enforcement::Required.into());
        }
    }
    if choices.flag() {
        change.limits.open_files = Some(Setting::AtMost(u64::from(choices.byte()) + 1).into());
    }
    change
}

fn no_layer_is_lost(before: &Policy, after: &Policy) {
    for layer in Layer::ALL.iter().copied() {
        // A filter that refuses all sockets is as good as a network without devices, and takes its
        // place where one is asked for.
        let by_filter = layer == Layer::NetworkNamespace
            && after.network == NetworkMode::None
            && after.enforcement.get(Layer::Seccomp) == Enforcement::Required;
        let (was, is) = (before.enforcement.get(layer), after.enforcement.get(layer));
        assert!(is <= was || by_filter, "{layer} was {was}, and is {is}");
    }
}

fn no_call_is_won(before: &Policy, after: &Policy, choices: &mut Choices<'_>) {
    let (before, after) = (&before.seccomp, &after.seccomp);
    for call in call_names() {
        let verdicts = (before.permits(call), after.permits(call));
        let won = matches!(verdicts, (Verdict::Never, Verdict::Always | Verdict::Sometimes));
        assert!(!won && verdicts != (Verdict::Sometimes, Verdict::Always), "{call}: {verdicts:?}");
    }
    for arch in Arch::ALL {
        for _ in 0..16 {
            let number = u32::from(choices.short() % 512);
            let arguments = std::array::from_fn(|_| choices.word());
            let (was, is) =
                (before.decide(arch, number, &arguments), after.decide(arch, number, &arguments));
            assert!(
                was.passes() || !is.passes(),
                "{arch:?} {number} {arguments:x?}: {was:?}, {is:?}"
            );
        }
    }
}
