//! Arguments as compilers put them into notes.

use super::*;

fn distance(name: &str) -> Option<i64> {
    (name == "table").then_some(0x200)
}

fn shown(text: &str, machine: Machine) -> Vec<String> {
    let all = arguments(text, machine, &distance);
    all.iter().map(show).collect()
}

fn show(argument: &Argument) -> String {
    let sign = if argument.signed { "-" } else { "" };
    let place = match &argument.place {
        Place::Constant(value) => format!("constant {value}"),
        Place::Register(register) => show_register(register),
        Place::Memory(address) => format!("[{}]", show_address(address)),
        Place::Address(address) => format!("&[{}]", show_address(address)),
        Place::OutOfReach(why) => return format!("no: {why}"),
    };
    format!("{sign}{} {place}", argument.bytes)
}

fn show_register(register: &Register) -> String {
    let Register {
        member,
        word,
        first_bit,
        bytes,
    } = register;
    format!("{member}.{word}/{first_bit}+{bytes}")
}

fn show_address(address: &Address) -> String {
    let mut parts = Vec::new();
    parts.extend(address.base.as_ref().map(show_register));
    parts.extend(address.index.map(|index| {
        let sign = if index.signed { "-" } else { "" };
        format!("{sign}{}*{}", show_register(&index.register), index.scale)
    }));
    parts.push(address.displacement.to_string());
    parts.join(" ")
}

fn x86(text: &str) -> Vec<String> {
    shown(text, Machine::X86)
}

fn aarch64(text: &str) -> Vec<String> {
    shown(text, Machine::Aarch64)
}

#[test]
fn registers_of_x86_have_many_names() {
    assert_eq!(
        x86("8@%rax -4@%ebx 2@%cx -1@%dl 1@%ah 8@%r10 4@%r11d -2@%r12w 1@%r13b 1@%sil"),
        [
            "8 ax.0/0+8",
            "-4 bx.0/0+4",
            "2 cx.0/0+2",
            "-1 dx.0/0+1",
            "1 ax.0/8+1",
            "8 r10.0/0+8",
            "4 r11.0/0+4",
            "-2 r12.0/0+2",
            "1 r13.0/0+1",
            "1 si.0/0+1",
        ]
    );
}

#[test]
fn memory_of_x86() {
    assert_eq!(
        x86("8@(%rdi) -4@-20(%rbp) 8@0x10(%rax,%rcx,4) 4@(%rax,%rbx) 8@8(,%rdx,8)"),
        [
            "8 [di.0/0+8 0]",
            "-4 [bp.0/0+8 -20]",
            "8 [ax.0/0+8 cx.0/0+8*4 16]",
            "4 [ax.0/0+8 bx.0/0+8*1 0]",
            "8 [dx.0/0+8*8 8]",
        ]
    );
}

#[test]
fn symbols_are_counted_from_the_marker() {
    assert_eq!(
        x86(
            "4@table(%rip) -4@table+4(%rip) 4@8+table(%rip) 8@table-8 8@$table+1 4@table(,%rax,4) 4@table(%rbx)"
        ),
        [
            "4 [ip.0/0+8 512]",
            "-4 [ip.0/0+8 516]",
            "4 [ip.0/0+8 520]",
            "8 [ip.0/0+8 504]",
            "8 &[ip.0/0+8 513]",
            "4 [ip.0/0+8 ax.0/0+8*4 512]",
            "4 [ip.0/0+8 bx.0/0+8*1 512]",
        ]
    );
    assert_eq!(
        aarch64("8@table+8"),
        ["8 &[pc.0/0+8 520]"],
        "the constant of an address"
    );
}

#[test]
fn constants_have_signs() {
    assert_eq!(
        x86("4@$42 -4@$-5 8@$0xffffffffffffffff %rax"),
        [
            "4 constant 42",
            "-4 constant -5",
            "8 constant -1",
            "8 ax.0/0+8"
        ]
    );
    assert_eq!(
        aarch64("4@42 -4@-5 4@#7 8@xzr"),
        [
            "4 constant 42",
            "-4 constant -5",
            "4 constant 7",
            "8 constant 0"
        ]
    );
}

#[test]
fn registers_and_memory_of_arm() {
    assert_eq!(
        aarch64(
            "8@x0 -4@w19 8@lr 8@[sp] -4@[sp, 12] 8@[x1,#-16] 8@[x0, x2] 8@[x0, x2, lsl 3] 4@[x0, w2, sxtw #2]"
        ),
        [
            "8 regs.0/0+8",
            "-4 regs.19/0+4",
            "8 regs.30/0+8",
            "8 [sp.0/0+8 0]",
            "-4 [sp.0/0+8 12]",
            "8 [regs.1/0+8 -16]",
            "8 [regs.0/0+8 regs.2/0+8*1 0]",
            "8 [regs.0/0+8 regs.2/0+8*8 0]",
            "4 [regs.0/0+8 -regs.2/0+4*4 0]",
        ]
    );
}

#[test]
fn what_is_out_of_reach_says_why() {
    let why = |text: &str, machine, part: &str| {
        let shown = shown(text, machine);
        assert_eq!(shown.len(), 1, "{text}");
        assert!(shown[0].starts_with(&format!("no: {text}: ")), "{shown:?}");
        assert!(shown[0].contains(part), "{shown:?}");
    };
    use Machine::*;
    why("8f@%xmm0", X86, "fraction");
    why("8@%xmm0", X86, "general registers");
    why("4@%fs:16", X86, "thread");
    why("4@nowhere(%rip)", X86, "no such symbol");
    why("4@8(%rip)", X86, "not known");
    why("3@%rax", X86, "no size");
    why("4@(%rax,%rbx,3)", X86, "not known");
    why("4@(%rax", X86, "not known");
    why("8@d0", Aarch64, "general registers");
    why("8@[x31]", Aarch64, "not known");
    why("8@[x0, x1, ror 3]", Aarch64, "not known");
    why("8@", X86, "not known");
    assert_eq!(x86("  "), Vec::<String>::new());
}
