//! What bpftrace holds to be unstable. Here it works, but a script or the environment may have it told of or refused.

use crate::{
    ast::{Script, visit},
    config::{Config, Unstable},
    diagnostic::{Diagnostics, Span},
    uses::name_of,
};

/// Tells of what the config wants to be warned of or refuses.
pub(crate) fn check(script: &mut Script, config: &Config, diagnostics: &mut Diagnostics) {
    visit::script(script, &mut |expr| {
        let name = name_of(expr);
        let wanted = match name {
            "dw_ustack" => config.unstable_dw_ustack,
            "tseries" => config.unstable_tseries,
            "typeinfo" => config.unstable_typeinfo,
            _ => Unstable::Enable,
        };
        tell(wanted, expr.span, name, name, diagnostics);
        true
    });
    for &span in &script.import_statements {
        let wanted = config.unstable_import_statement;
        let name = "import in a block";
        tell(wanted, span, name, "import_statement", diagnostics);
    }
}

/// Tells of something as it is wanted, which is allowed by the setting `unstable_` and `key`.
fn tell(wanted: Unstable, span: Span, name: &str, key: &str, diagnostics: &mut Diagnostics) {
    match wanted {
        Unstable::Enable => {}
        Unstable::Warn => {
            diagnostics.warn(span, format!("{name} is unstable: it may change"));
        }
        Unstable::Error => diagnostics.error_hint(
            span,
            format!("{name} is unstable, and the config refuses that"),
            format!("allow it with: config = {{ unstable_{key} = enable }}"),
        ),
    }
}
