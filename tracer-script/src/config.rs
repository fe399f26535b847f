//! The config block and its environment.

mod value;

use std::ops::RangeInclusive;

use crate::{
    ast::{Expr, ExprKind, Script, visit},
    diagnostic::{Diagnostics, Span, nearest},
    facts::Facts,
    types::StackMode,
};
use value::{
    Wrong, boolean, cache, license, missing_probes, number, stack_mode, symbol_source, unstable,
};

/// What is to be done about probes that are not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingProbes {
    /// Refuse the script.
    #[default]
    Error,
    /// Say so and go on.
    Warn,
    /// Go on.
    Ignore,
}

impl MissingProbes {
    /// As it is written.
    fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Ignore => "ignore",
        }
    }
}

/// How much is kept of the symbols of user programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are named as in scripts")]
pub enum SymbolCache {
    PerPid,
    PerProgram,
    None,
}

impl SymbolCache {
    /// As it is written.
    fn name(self) -> &'static str {
        match self {
            Self::PerPid => "PER_PID",
            Self::PerProgram => "PER_PROGRAM",
            Self::None => "NONE",
        }
    }
}

/// What tells where functions of user programs are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SymbolSource {
    /// The tables of symbols.
    #[default]
    SymbolTable,
    /// Debug information, which knows functions that were put into others (inlined), too.
    Dwarf,
}

/// Whether what bpftrace holds to be unstable may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unstable {
    /// It may.
    #[default]
    Enable,
    /// It may, and a warning tells.
    Warn,
    /// It may not.
    Error,
}

impl Unstable {
    /// As it is written.
    fn name(self) -> &'static str {
        match self {
            Self::Enable => "enable",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// What a script may set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are named as in scripts")]
pub struct Config {
    pub cache_user_symbols: Option<SymbolCache>,
    pub cpp_demangle: bool,
    pub lazy_symbolication: bool,
    pub license: String,
    pub log_size: Option<u64>,
    pub max_bpf_progs: u64,
    pub max_cat_bytes: u64,
    pub max_map_keys: u64,
    pub max_probes: u64,
    pub max_strlen: u64,
    /// It is not what holds where nothing is set.
    max_strlen_is_set: bool,
    pub missing_probes: MissingProbes,
    pub on_stack_limit: Option<u64>,
    pub perf_rb_pages: u64,
    pub print_maps_on_exit: bool,
    pub show_debug_info: bool,
    pub stack_mode: StackMode,
    pub str_trunc_trailer: String,
    pub symbol_source: SymbolSource,
    pub unstable_dw_ustack: Unstable,
    pub unstable_import_statement: Unstable,
    pub unstable_tseries: Unstable,
    pub unstable_typeinfo: Unstable,
    pub use_blazesym: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cache_user_symbols: None,
            cpp_demangle: true,
            lazy_symbolication: true,
            license: "GPL".to_owned(),
            log_size: None,
            max_bpf_progs: 1024,
            max_cat_bytes: 10_240,
            max_map_keys: 4096,
            max_probes: 1024,
            max_strlen: 1024,
            max_strlen_is_set: false,
            missing_probes: MissingProbes::Error,
            on_stack_limit: None,
            perf_rb_pages: 0,
            print_maps_on_exit: true,
            show_debug_info: true,
            stack_mode: StackMode::Bpftrace,
            str_trunc_trailer: "..".to_owned(),
            symbol_source: SymbolSource::SymbolTable,
            unstable_dw_ustack: Unstable::Enable,
            unstable_import_statement: Unstable::Enable,
            unstable_tseries: Unstable::Enable,
            unstable_typeinfo: Unstable::Enable,
            use_blazesym: true,
        }
    }
}

/// How long the kernel lets the verifier's log be: from the least that Linux 5.10 takes to `UINT_MAX >> 2` of
/// `kernel/bpf/log.c`.
const LOG_BYTES: RangeInclusive<u64> = 128..=u32::MAX as u64 >> 2;

/// `max_strlen` before Linux 5.11, where it is not set: the first for which the script's keys have room.
const STRINGS_BEFORE_5_11: [u64; 4] = [240, 160, 112, 64];

/// All that can be set, for hints.
const KEYS: [&str; 23] = [
    "cache_user_symbols",
    "cpp_demangle",
    "lazy_symbolication",
    "license",
    "log_size",
    "max_bpf_progs",
    "max_cat_bytes",
    "max_map_keys",
    "max_probes",
    "max_strlen",
    "missing_probes",
    "on_stack_limit",
    "perf_rb_pages",
    "print_maps_on_exit",
    "show_debug_info",
    "stack_mode",
    "str_trunc_trailer",
    "symbol_source",
    "unstable_dw_ustack",
    "unstable_import_statement",
    "unstable_tseries",
    "unstable_typeinfo",
    "use_blazesym",
];

/// Known, and without effect here.
const WITHOUT_EFFECT: [&str; 6] = [
    "max_type_res_iterations",
    "unstable_addr",
    "unstable_import",
    "unstable_macro",
    "unstable_map_decl",
    "debug_output",
];

/// Known to the environment only.
const OF_THE_ENVIRONMENT: [&str; 4] = ["btf", "kernel_build", "kernel_source", "vmlinux"];

const RENAMED: [(&str, &str); 4] = [
    ("strlen", "max_strlen"),
    ("no_cpp_demangle", "cpp_demangle"),
    ("cat_bytes_max", "max_cat_bytes"),
    ("map_keys_max", "max_map_keys"),
];

/// Reads the block, and then the environment, which has the last word.
pub fn read(
    entries: &[(String, String, Span)],
    environment: &[(String, String)],
    facts: &dyn Facts,
    diagnostics: &mut Diagnostics,
) -> Config {
    let mut config = Config::of_kernel(facts);
    for (key, value, span) in entries {
        let known = key.to_ascii_lowercase();
        let known = known.strip_prefix("bpftrace_").unwrap_or(&known);
        let Err(wrong) = config.set(known, value) else {
            continue;
        };
        match (&wrong, nearest(known, KEYS.into_iter())) {
            (Wrong::Key, Some(near)) => {
                let hint = format!("did you mean {near}?");
                diagnostics.error_hint(*span, wrong.tell(key), hint);
            }
            _ => diagnostics.error(*span, wrong.tell(key)),
        }
    }
    for (name, value) in environment {
        let Some(key) = name.strip_prefix("BPFTRACE_") else {
            continue;
        };
        let key = key.to_ascii_lowercase();
        let known = KEYS.contains(&key.as_str()) || RENAMED.iter().any(|(old, _)| *old == key);
        if known && let Err(wrong) = config.set(&key, value) {
            diagnostics.error(Span::default(), wrong.tell(name));
        }
    }
    config
}

impl Config {
    /// What holds where nothing is set. Before Linux 5.11 a key could have no more than 512 bytes
    /// (`kernel/bpf/hashtab.c`): strings are shorter there, so that two of them and a number make one.
    fn of_kernel(facts: &dyn Facts) -> Self {
        let default = Self::default();
        let max_strlen = if facts.since(5, 11) {
            default.max_strlen
        } else {
            STRINGS_BEFORE_5_11[0]
        };
        Self {
            max_strlen,
            ..default
        }
    }

    /// A shorter `max_strlen`, for a script whose keys have no room for strings of this one; [`None`] where it is set,
    /// or where there is none.
    pub(crate) fn shorter_strings(&self) -> Option<u64> {
        let mut lengths = STRINGS_BEFORE_5_11.into_iter();
        lengths.find(|&length| !self.max_strlen_is_set && length < self.max_strlen)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), Wrong> {
        if let Some((_, name)) = RENAMED.iter().find(|(old, _)| *old == key) {
            return Err(Wrong::Renamed(name));
        }
        match key {
            "cache_user_symbols" => self.cache_user_symbols = cache(value)?,
            "cpp_demangle" => self.cpp_demangle = boolean(value)?,
            "lazy_symbolication" => self.lazy_symbolication = boolean(value)?,
            "license" => self.license = license(value)?,
            "log_size" => self.log_size = Some(number(value, LOG_BYTES)?),
            "max_bpf_progs" => self.max_bpf_progs = number(value, 0..=1 << 20)?,
            "max_cat_bytes" => self.max_cat_bytes = number(value, 0..=1 << 30)?,
            "max_map_keys" => self.max_map_keys = number(value, 1..=1 << 26)?,
            "max_probes" => self.max_probes = number(value, 0..=1 << 20)?,
            "max_strlen" => {
                self.max_strlen = number(value, 1..=1 << 16)?;
                self.max_strlen_is_set = true;
            }
            "missing_probes" => self.missing_probes = missing_probes(value)?,
            "on_stack_limit" => self.on_stack_limit = Some(number(value, 0..=512)?),
            "perf_rb_pages" => self.perf_rb_pages = number(value, 0..=1 << 20)?,
            "print_maps_on_exit" => self.print_maps_on_exit = boolean(value)?,
            "show_debug_info" => self.show_debug_info = boolean(value)?,
            "stack_mode" => self.stack_mode = stack_mode(value)?,
            "str_trunc_trailer" => self.str_trunc_trailer = value.to_owned(),
            "symbol_source" => self.symbol_source = symbol_source(value)?,
            "unstable_dw_ustack" => self.unstable_dw_ustack = unstable(value)?,
            "unstable_import_statement" => self.unstable_import_statement = unstable(value)?,
            "unstable_tseries" => self.unstable_tseries = unstable(value)?,
            "unstable_typeinfo" => self.unstable_typeinfo = unstable(value)?,
            "use_blazesym" => self.use_blazesym = boolean(value)?,
            _ if WITHOUT_EFFECT.contains(&key) => {}
            _ if OF_THE_ENVIRONMENT.contains(&key) => return Err(Wrong::Environment),
            _ => return Err(Wrong::Key),
        }
        Ok(())
    }

    /// Bytes of the verifier's log.
    pub fn log_bytes(&self) -> u64 {
        self.log_size.unwrap_or(1_000_000)
    }

    /// All values by their names, as `config` shows them.
    pub fn entries(&self) -> Vec<(&'static str, Setting)> {
        let text = |text: &str| Setting::Text(text.to_owned());
        let cache = self.cache_user_symbols.unwrap_or(SymbolCache::PerPid);
        vec![
            ("cache_user_symbols", text(cache.name())),
            ("cpp_demangle", Setting::Truth(self.cpp_demangle)),
            (
                "lazy_symbolication",
                Setting::Truth(self.lazy_symbolication),
            ),
            ("license", text(&self.license)),
            ("log_size", Setting::Number(self.log_bytes())),
            ("max_bpf_progs", Setting::Number(self.max_bpf_progs)),
            ("max_cat_bytes", Setting::Number(self.max_cat_bytes)),
            ("max_map_keys", Setting::Number(self.max_map_keys)),
            ("max_probes", Setting::Number(self.max_probes)),
            ("max_strlen", Setting::Number(self.max_strlen)),
            ("missing_probes", text(self.missing_probes.name())),
            (
                "on_stack_limit",
                Setting::Number(self.on_stack_limit.unwrap_or(32)),
            ),
            ("perf_rb_pages", Setting::Number(self.perf_rb_pages)),
            (
                "print_maps_on_exit",
                Setting::Truth(self.print_maps_on_exit),
            ),
            ("show_debug_info", Setting::Truth(self.show_debug_info)),
            ("stack_mode", text(self.stack_mode.name())),
            ("str_trunc_trailer", text(&self.str_trunc_trailer)),
            ("unstable_dw_ustack", text(self.unstable_dw_ustack.name())),
            (
                "unstable_import_statement",
                text(self.unstable_import_statement.name()),
            ),
            ("unstable_tseries", text(self.unstable_tseries.name())),
            ("unstable_typeinfo", text(self.unstable_typeinfo.name())),
            ("use_blazesym", Setting::Truth(self.use_blazesym)),
        ]
    }
}

/// The value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are what they are called")]
pub enum Setting {
    Number(u64),
    Truth(bool),
    Text(String),
}

/// Puts the record of all settings in where a script says `config`.
pub(crate) fn put_in(script: &mut Script, config: &Config) {
    let mut next_id = script.exprs;
    let mut enter = |expr: &mut Expr| {
        let is_it = match &expr.kind {
            ExprKind::Ident(name) => name == "config",
            ExprKind::Call(call) => call.name == "config" && call.args.is_empty(),
            _ => false,
        };
        if is_it {
            let fields = config.entries().into_iter().map(|(name, setting)| {
                let kind = match setting {
                    Setting::Number(value) => ExprKind::Int(value),
                    Setting::Truth(value) => ExprKind::Bool(value),
                    Setting::Text(text) => ExprKind::Str(text.into_bytes()),
                };
                let (id, span) = (next_id, expr.span);
                next_id += 1;
                (name.to_owned(), Expr { id, span, kind })
            });
            expr.kind = ExprKind::Record(fields.collect());
        }
        !is_it
    };
    visit::script(script, &mut enter);
    script.exprs = next_id;
}
