use aya_obj::btf::{Btf, BtfKind};
use object::{Endianness, Object as _, ObjectSection as _, read::ObjectSymbol as _};
use tracer_script::{
    probe::{AttachKind, Target},
    program::ProgramKind,
};

use super::object;
use crate::script::session::assembled::{self, HASH, nothing, program};

#[test]
fn maps_are_described_by_types() {
    let mut image = assembled::image();
    let target = Target {
        group: "sched".to_owned(),
        item: "sched_switch".to_owned(),
        ..Target::new(AttachKind::Tracepoint, "p")
    };
    let mut code = nothing();
    code.btf = tracer_script::emit::types::TypeInfo::default().finish();
    code.functions = vec![[0, 0]];
    image.programs = vec![program(ProgramKind::Tracepoint, target, code)];
    let bytes = object(&image).expect("it can be held");
    let file = object::File::parse(bytes.as_slice()).expect("it is an object");
    assert!(
        file.section_by_name("tracepoint/sched/sched_switch")
            .is_some()
    );
    let data = |name| {
        file.section_by_name(name)
            .expect("it is there")
            .data()
            .expect("it is whole")
    };
    let btf = Btf::parse(data(".BTF"), Endianness::Little).expect("types can be read");
    for name in ["tracer_events", "tracer_loss", "b", "a"] {
        btf.id_by_type_name_kind(name, BtfKind::Var).expect(name);
        assert!(
            file.symbols().any(|symbol| symbol.name() == Ok(name)),
            "{name}"
        );
    }
    btf.id_by_type_name_kind(".maps", BtfKind::DataSec)
        .expect("maps are in it");
    assert_eq!(image.maps[HASH].name, "@b");
}
