//! Scripts that are accepted, over all parts of the language, to start mutations from.

use crate::support::{RELEASES, examine};

/// What they do, older kernels cannot.
const NEEDS: [(&str, (u32, u32)); 2] = [("for ($kv :", (5, 13)), ("len(@", (5, 13))];

/// The scripts.
pub const SCRIPTS: [&str; 58] = [
    r#"BEGIN { printf("hello %s %d\n", "world", 1 << 40); exit(); }"#,
    "tracepoint:sched:sched_switch { @ = count(); }",
    "tracepoint:sched:sched_switch { @[comm, pid] = count(); @last = args.prev_comm; }",
    "kprobe:vfs_read { @start[tid] = nsecs; } kretprobe:vfs_read /@start[tid]/ { @ns = hist(nsecs - @start[tid]); delete(@start[tid]); }",
    "kprobe:vfs_read { @s[tid] = nsecs; } kretprobe:vfs_read { $s = @s[tid]; if ($s) { @[comm] = hist(nsecs - $s, 3); delete(@s, tid); } }",
    r#"tracepoint:syscalls:sys_enter_openat { printf("%s %s\n", comm, str(args.filename)); }"#,
    "tracepoint:syscalls:sys_enter_* { @[probe] = count(); }",
    "tracepoint:syscalls:sys_enter_read { @[tid] = nsecs; } tracepoint:syscalls:sys_exit_read /@[tid]/ { @r = lhist(args.ret, -10, 1000, 10); delete(@[tid]); }",
    "fentry:vfs_read { @[args.file->f_inode->i_ino] = sum(args.count); } fexit:vfs_read { @b = stats(retval); }",
    r#"fentry:vfs_open { printf("%s %d\n", str(args.path->dentry->d_name.name), args.file->f_flags); }"#,
    "rawtracepoint:sched_switch { $p = args.prev; @[$p->in_iowait, $p->sched_class] = count(); }",
    "rawtracepoint:sched_switch { $t = (struct task_struct *)arg1; @[$t->real_parent->group_leader->tgid] = max($t->start_time); }",
    "BEGIN { $c = curtask; @ = $c->mm->total_vm; @u = $c->wake_cpu; @a = $c->numbers[2]; }",
    r#"BEGIN { if (comm == "bash") { print("yes"); } else if (comm != "sh" && strncmp(comm, "zsh", 3) == 0) { print("no"); } }"#,
    "BEGIN { @t = (1, \"two\", (3, 4)); $t = @t; print($t.1); print($t.2.0); }",
    "BEGIN { @r = (a=1, b=\"x\"); print(@r.a); $r = (x=(int64)2, y=(1, 2)); @[$r.y.1] = $r.x; }",
    "BEGIN { for ($i : 0..10) { if ($i == 3) { continue; } if ($i > 7) { break; } @[$i] = $i * $i; } }",
    "kprobe:vfs_read { @[tid] = count(); } interval:s:1 { for ($kv : @) { print($kv.0); if ($kv.0 > 100) { break; } } clear(@); }",
    "BEGIN { @a[1, \"x\"] = 5; for ($kv : @a) { @sum += $kv.1; if ($kv.0.0 == 1) { return; } } }",
    "BEGIN { $i = 0; while ($i < 100) { $i++; if ($i % 7 == 0) { continue; } @n += $i; if ($i > 90) { break; } } }",
    "BEGIN { $x = 1; unroll(5) { $x = $x * 3; @u[$x] = $x; } }",
    "BEGIN { for ($i : 0..5) { for ($j : 0..$i) { @[$i, $j] = count(); if ($j == 4) { return; } } } }",
    r#"BEGIN { $x = pid > 10 ? "big" : "small"; @ = $x; $y = (uint8)300; $z = -7 / 2; print(($x, $y, $z, !$y, ~$z)); }"#,
    r#"BEGIN { $a = pid > 1 && tid > 1 || uid == 0; if (!$a) { printf("%d %x %p %c\n", pid, tid, curtask, 65); } }"#,
    "BEGIN { @a = avg(pid); @b = min(tid); @c = max(-1); @d = sum((int32)uid); @e = stats(cpu); print(@a); zero(@b); }",
    "profile:hz:99 { @[kstack(5), ustack(perf, 3), comm] = count(); }",
    "interval:ms:100 { @x++; @y--; ++@z; $a = @x++; $b = --@y; print(($a, $b)); print(@x, 5, 2); }",
    "uprobe:/bin/bash:readline { @[ustack, usym(arg0)] = count(); } uretprobe:/bin/bash:readline { printf(\"%s\\n\", str(retval)); }",
    "uprobe:/lib/libc.so.6:malloc /arg0 > 4096/ { @sizes = hist(arg0); @[func] = count(); }",
    "BEGIN { @ = ntop(0x0100007f); @k = ksym(kaddr(\"vfs_read\")); @m = macaddr(curtask->cpus_mask); }",
    "kprobe:tcp_connect { $s = (struct sock *)arg0; @[ntop($s->__sk_common.skc_daddr), bswap($s->__sk_common.skc_dport)] = count(); }",
    "kprobe:tcp_connect { $s = (struct sock *)arg0; @[ntop(10, $s->__sk_common.skc_v6_daddr.u6_addr8)] = count(); }",
    "BEGIN { time(\"%H:%M:%S\\n\"); print(strftime(\"%F\", nsecs)); print(username); print(elapsed); print(rand % 10); }",
    "BEGIN { @b = buf(\"abcdef\", 4); printf(\"%r %rh\\n\", @b, buf(\"xyz\")); }",
    "BEGIN { $s = str_concat(comm, \"!\"); print(strlen($s)); print(strstr($s, \"a\")); if (strcontains($s, \"sh\")) { print($s); } }",
    "BEGIN { join((uint64)0); cat(\"/proc/%d/comm\", pid); system(\"true\"); } kprobe:vfs_read { signal(\"SIGUSR1\"); }",
    "struct pair { int a; unsigned long b:5; char name[8]; struct { short c; }; struct pair *next; }; uprobe:/bin/x:main { $p = (struct pair *)arg0; @[$p->name, $p->b] = sum($p->next->next->a + $p->c); }",
    "macro twice(x) { x + x } macro put(@m, $k, v) { @m[$k] = v; 1 } BEGIN { $k = 3; put(@a, $k, twice(pid)); }",
    "config = { max_map_keys = 10; max_strlen = 200; stack_mode = perf } BEGIN { @[str($2)] = $1; print($#); }",
    "let @l = lruhash(10); let @p = percpuhash(20); BEGIN { @l[pid] = 1; @p[tid] = count(); print(len(@l)); if (has_key(@l, 1)) { print(1); } }",
    "BEGIN { let $v: int64 = 0; @f[1] = (int64)2; if (find(@f, 1, $v)) { print($v); } let $u; $u = 5; @ = $u; }",
    "BEGIN { print(sizeof(struct task_struct)); print(offsetof(struct task_struct, comm)); print(sizeof((1, 2))); }",
    "BEGIN { $x = { let $a = 5; $a += 2; $a }; _ = $x; $y = if (pid) { 1 } else { 2 }; print($y); }",
    "BEGIN { $n = *(uint64 *)kptr(curtask); $m = *(int8 *)uptr(5); @ = $n + $m; @i = is_err(curtask); }",
    "software:page-faults:100 { @[comm] = count(); } hardware:cycles:1000000 { @c[cpu] = count(); }",
    "BEGIN { $a = (int8[4])0x01020304; @ = $a[1]; print($a); $b = \"abc\"; print($b[1]); }",
    "fentry:do_nanosleep { @[args.mode] = count(); if (args.mode == MIGRATE_SYNC) { print(args.mode); } printf(\"%s\", args.mode); }",
    "BEGIN { @x = 1; @x += 5; @x <<= 2; @x |= 1; @x ^= 7; @x &= 255; @x >>= 1; @x %= 100; @x /= 3; @x *= 2; @x -= 1; }",
    "tracepoint:sched:sched_process_exec { printf(\"%s %d\\n\", str(args.filename), args.pid); }",
    "BEGIN { $x = 10; $p = &$x; @ = nsecs(boot); @t = nsecs(sw_tai); @m = nsecs(monotonic); print(strerror(2)); print(signal_name(9)); print(syscall_name(0)); }",
    "kprobe:vfs_* { @[probe, probetype] = count(); errorf(\"x %d\", 1); warnf(\"y\"); }",
    "BEGIN { @a[1] = hist(2); @b[comm] = lhist(3, 0, 10, 1); @c = tseries(5, 1s, 10); @d = tseries(5, 100ms, 3, \"max\"); }",
    "BEGIN { @c[cgroup] = count(); print(cgroup_path(cgroup)); print(cgroupid(\"/sys/fs/cgroup/a\")); print(in_cgroup(5)); @i = has_cpid; print(ncpus); }",
    "i:s:1 { if (@n++ > 5) { exit(3); } assert(@n < 10, \"too many\"); static_assert(1 == 1, \"no\"); } END { print(@n); clear(@n); }",
    "fn add($a: int64, $b: uint32): int64 { return $a + $b; } fn upto($n: int64): int64 { $s = (int64)0; for ($i : 0..10) { if ($i > $n) { return $s; } $s = add($s, $i); } return -1; } kprobe:vfs_read /upto(arg0) > 5/ { @[upto(3)] = count(); @all = add(add(1, 2), 3); }",
    "fn name($p: struct task_struct *, $t: string[16]): string[32] { if ($p == 0) { return \"none\"; } $x = str_concat($p->comm, $t); return $x; } BEGIN { print(name(curtask, \"!\")); @[name(curtask, comm)] = name(curtask, \"\"); }",
    "fn stop($n: int64) { if ($n > 3) { exit(); } printf(\"%s %d\", probe, pid); @[kstack(2)] = count(); } tracepoint:syscalls:sys_enter_* { stop(1); unroll(3) { stop(tid); } }",
    "BEGIN { $f = $1; $g = str($2); printf(\"%-5d|%05d|%10s|%.3s\\n\", $f, $f, $g, $g); print(default_str_length); }",
];

#[test]
fn scripts_are_accepted() {
    let mut wrong = String::new();
    for script in SCRIPTS {
        for release in RELEASES {
            let needs = NEEDS.iter().find(|(text, _)| script.contains(text));
            let refused = needs.is_some_and(|(_, since)| release < *since);
            let fault = match examine(script, release) {
                Ok(outcome) if outcome.is_err() == refused => continue,
                Ok(Ok(_)) => "is not refused".to_owned(),
                Ok(Err(said)) => said,
                Err(fault) => format!("{}\n{script}", fault.lines().next().unwrap_or_default()),
            };
            wrong.push_str(&format!("Linux {release:?}: {fault}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
