//! From a [`Profile`] back to a text that means the same.

use std::time::Duration;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use super::model::{
    ArgumentRule, Environment, Filesystem, IdOrName, Io, Landlock, Limits, Mount, MountKind,
    Process, Profile, RootSource, Seccomp, SeccompRule, Setting, User,
};
use super::names;
use super::parse::VERSION;
use super::source::Spanned;
use super::units::{format_cpus, format_duration, format_size};
use super::vocabulary::{Access, ArgumentOperator, SeccompAction};

/// An object whose keys keep the order they were put in: people read it.
#[derive(Default)]
struct Object(Vec<(String, Node)>);

enum Node {
    Value(Value),
    Object(Object),
    List(Vec<Node>),
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, node) in &self.0 {
            map.serialize_entry(key, node)?;
        }
        map.end()
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.serialize(serializer),
            Self::Object(object) => object.serialize(serializer),
            Self::List(nodes) => nodes.serialize(serializer),
        }
    }
}

impl Object {
    /// Puts a value in, if there is one.
    fn put<T: Into<Value>>(&mut self, key: &str, value: Option<T>) {
        if let Some(value) = value {
            self.0.push((key.to_owned(), Node::Value(value.into())));
        }
    }

    /// Puts a value in that has to be worded first.
    fn word<T>(&mut self, key: &str, value: &Option<Spanned<T>>, word: impl Fn(&T) -> Value) {
        self.put(key, value.as_ref().map(|value| word(&value.value)));
    }

    fn setting<T: Copy>(
        &mut self,
        key: &str,
        setting: &Option<Spanned<Setting<T>>>,
        word: impl Fn(T) -> Value,
    ) {
        self.word(key, setting, |setting| match setting {
            Setting::AtMost(value) => word(*value),
            Setting::Unlimited => "unlimited".into(),
        });
    }

    /// Puts a list in, unless it is empty.
    fn list<T>(&mut self, key: &str, list: &[Spanned<T>], word: impl Fn(&T) -> Value) {
        if !list.is_empty() {
            self.statement(key, &Some(list), word);
        }
    }

    /// Puts a list in that says something also when it is empty.
    fn statement<T>(
        &mut self,
        key: &str,
        list: &Option<impl AsRef<[Spanned<T>]>>,
        word: impl Fn(&T) -> Value,
    ) {
        let words = |list: &[Spanned<T>]| list.iter().map(|item| word(&item.value)).collect();
        self.put(key, list.as_ref().map(|list| Value::Array(words(list.as_ref()))));
    }

    /// Puts a section in, unless it is empty.
    fn section(&mut self, key: &str, section: Object) {
        if !section.0.is_empty() {
            self.0.push((key.to_owned(), Node::Object(section)));
        }
    }
}

impl Serialize for Profile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.object().serialize(serializer)
    }
}

impl Profile {
    /// The profile as a text that [`parse`](super::parse::parse) reads as the same profile; where
    /// its values were written isn't kept.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Strings and numbers alone always can be written.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    fn object(&self) -> Object {
        let text = |text: &String| Value::from(text.as_str());
        let mut object = Object::default();
        object.put("version", Some(VERSION));
        object.put("name", self.name.as_deref());
        object.put("description", self.description.as_deref());
        object.list("extends", &self.extends, text);
        object.list("otherwise", &self.otherwise, text);
        object.word("level", &self.level, |level| level.as_str().into());
        object.section("enforcement", named(&self.enforcement, |setting| setting.as_str().into()));
        object.section("user", user(&self.user));
        let mut capabilities = Object::default();
        capabilities.statement("keep", &self.capabilities.keep, |number| capability(*number));
        object.section("capabilities", capabilities);
        object.section("namespaces", named(&self.namespaces, |wanted| (*wanted).into()));
        object.section("filesystem", filesystem(&self.filesystem));
        let mut network = Object::default();
        network.word("mode", &self.network.mode, |mode| mode.as_str().into());
        object.section("network", network);
        object.section("limits", limits(&self.limits));
        object.section("landlock", landlock(&self.landlock));
        object.section("seccomp", seccomp(&self.seccomp));
        object.section("environment", environment(&self.environment));
        object.section("process", process(&self.process));
        object
    }
}

fn named<K: std::fmt::Display, T>(
    map: &std::collections::BTreeMap<K, Spanned<T>>,
    word: impl Fn(&T) -> Value,
) -> Object {
    let entry =
        |(key, value): (&K, &Spanned<T>)| (key.to_string(), Node::Value(word(&value.value)));
    Object(map.iter().map(entry).collect())
}

fn id(id: &IdOrName) -> Value {
    match id {
        IdOrName::Id(number) => (*number).into(),
        IdOrName::Name(name) => name.as_str().into(),
    }
}

fn capability(number: u8) -> Value {
    names::CAPABILITIES.get(usize::from(number)).copied().into()
}

fn user(section: &User) -> Object {
    let mut object = Object::default();
    object.word("uid", &section.uid, id);
    object.word("gid", &section.gid, id);
    object.statement("groups", &section.groups, id);
    object
}

#[expect(clippy::ptr_arg, reason = "it is handed to what calls it with the items of a list")]
fn text(text: &String) -> Value {
    text.as_str().into()
}

fn filesystem(section: &Filesystem) -> Object {
    let mut object = Object::default();
    object.word("root", &section.root, |root| match root {
        RootSource::Host => "host".into(),
        RootSource::Minimal => "minimal".into(),
        RootSource::Directory(path) => json!({ "directory": path }),
    });
    let mounts: Vec<_> =
        section.mounts.iter().map(|mount| Node::Object(self::mount(mount))).collect();
    if !mounts.is_empty() {
        object.0.push(("mounts".to_owned(), Node::List(mounts)));
    }
    object.list("hide", &section.hide, text);
    object
}

fn mount(mount: &Mount) -> Object {
    let mut object = Object::default();
    let yes = |flag: bool| flag.then_some(true);
    let (kind, target) = match &mount.kind {
        MountKind::Bind { .. } => ("bind", mount.target.as_str()),
        MountKind::Tmpfs { .. } => ("tmpfs", mount.target.as_str()),
        MountKind::Proc => ("proc", mount.target.as_str()),
        MountKind::Dev => ("dev", mount.target.as_str()),
        MountKind::None => ("none", mount.target.as_str()),
    };
    object.put("type", Some(kind));
    match &mount.kind {
        MountKind::Bind { source, access, noexec, map_owner, unless_home } => {
            object.put("source", Some(source.as_str()).filter(|source| *source != target));
            object.put("target", Some(target));
            object.put("access", (*access == Access::ReadWrite).then_some(access.as_str()));
            object.put("noexec", yes(*noexec));
            object.put("map_owner", yes(*map_owner));
            object.put("unless_home", yes(*unless_home));
            object.put("optional", yes(mount.optional));
        }
        MountKind::Tmpfs { size, mode, noexec } => {
            object.put("target", Some(target));
            object.put("size", size.map(format_size));
            object.put("mode", mode.map(|mode| format!("{mode:04o}")));
            object.put("noexec", yes(*noexec));
        }
        MountKind::Proc | MountKind::Dev | MountKind::None => object.put("target", Some(target)),
    }
    object
}

fn duration(time: Duration) -> Value {
    format_duration(time).into()
}

fn size(bytes: u64) -> Value {
    format_size(bytes).into()
}

fn number(number: u64) -> Value {
    number.into()
}

fn limits(section: &Limits) -> Object {
    let mut object = Object::default();
    object.setting("memory", &section.memory, size);
    object.setting("swap", &section.swap, size);
    object.setting("processes", &section.processes, number);
    object.setting("cpus", &section.cpus, |thousandths| format_cpus(thousandths).into());
    object.word("cpu_weight", &section.cpu_weight, |weight| (*weight).into());
    object.word("cpuset", &section.cpuset, |set| {
        set.iter().map(u32::to_string).collect::<Vec<_>>().join(",").into()
    });
    object.setting("cpu_time", &section.cpu_time, duration);
    object.setting("wall_time", &section.wall_time, duration);
    object.setting("open_files", &section.open_files, number);
    object.setting("file_size", &section.file_size, size);
    object.setting("stack", &section.stack, size);
    object.setting("core", &section.core, size);
    object.setting("output", &section.output, size);
    object.word("output_overflow", &section.output_overflow, |overflow| overflow.as_str().into());
    object.word("nice", &section.nice, |nice| (*nice).into());
    object.section("io", io(&section.io));
    object
}

fn io(section: &Io) -> Object {
    let mut object = Object::default();
    object.setting("read_bytes", &section.read_bytes, size);
    object.setting("write_bytes", &section.write_bytes, size);
    object.setting("read_operations", &section.read_operations, number);
    object.setting("write_operations", &section.write_operations, number);
    object
}

fn landlock(section: &Landlock) -> Object {
    let mut object = Object::default();
    object.list("read", &section.read, text);
    object.list("write", &section.write, text);
    object.list("execute", &section.execute, text);
    object.statement("connect_tcp", &section.connect_tcp, |port| (*port).into());
    object.statement("bind_tcp", &section.bind_tcp, |port| (*port).into());
    object.statement("scopes", &section.scopes, |scope| scope.as_str().into());
    object
}

fn action(action: SeccompAction) -> Value {
    match action {
        SeccompAction::Allow => "allow".into(),
        SeccompAction::Log => "log".into(),
        SeccompAction::Kill => "kill".into(),
        SeccompAction::Errno(number) => names::errno_name(number).into(),
    }
}

fn seccomp(section: &Seccomp) -> Object {
    let mut object = Object::default();
    object.word("default", &section.default, |default| action(*default));
    object.list("allow", &section.allow, text);
    object.list("deny", &section.deny, text);
    let rules: Vec<_> = section.rules.iter().map(|rule| Node::Object(self::rule(rule))).collect();
    if !rules.is_empty() {
        object.0.push(("rules".to_owned(), Node::List(rules)));
    }
    object
}

fn rule(rule: &SeccompRule) -> Object {
    let mut object = Object::default();
    object.list("calls", &rule.calls, text);
    let conditions: Vec<_> = rule.arguments.iter().map(condition).collect();
    if !conditions.is_empty() {
        object.0.push(("arguments".to_owned(), Node::List(conditions)));
    }
    object.put("action", Some(action(rule.action)));
    object
}

fn condition(rule: &ArgumentRule) -> Node {
    let mut object = Object::default();
    object.put("index", Some(rule.index));
    object.put("op", Some(rule.operator.as_str()));
    object.put("value", Some(format!("{:#x}", rule.value)));
    let masked = rule.operator == ArgumentOperator::MaskedEqual;
    object.put("mask", masked.then(|| format!("{:#x}", rule.mask)));
    object.put("width", rule.wide.then_some(64));
    Node::Object(object)
}

fn environment(section: &Environment) -> Object {
    let mut object = Object::default();
    object.word("clear", &section.clear, |clear| (*clear).into());
    object.list("pass", &section.pass, text);
    object.section("set", named(&section.set, text));
    object
}

fn process(section: &Process) -> Object {
    let mut object = Object::default();
    object.word("cwd", &section.cwd, text);
    object.word("hostname", &section.hostname, text);
    object.word("umask", &section.umask, |mask| format!("{mask:03o}").into());
    object.word("stdin", &section.stdin, |stdin| stdin.as_str().into());
    object.word("session", &section.session, |session| (*session).into());
    object.word("grace", &section.grace, |grace| duration(*grace));
    object.list("descriptors", &section.descriptors, |number| (*number).into());
    object
}
