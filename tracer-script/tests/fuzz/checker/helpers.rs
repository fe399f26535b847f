//! What the kernel's helpers take: `include/uapi/linux/bpf.h`, and the prototypes in `kernel/bpf/helpers.c` and
//! `kernel/trace/bpf_trace.c`.

use super::{
    Checker,
    state::{State, Value},
};

/// A helper: its number, how many arguments it takes, and since which release it is there.
const HELPERS: [(i32, usize, (u32, u32)); 41] = [
    (1, 2, (3, 19)),
    (2, 4, (3, 19)),
    (3, 2, (3, 19)),
    (5, 0, (4, 1)),
    (6, 2, (4, 1)),
    (7, 0, (4, 1)),
    (8, 0, (4, 1)),
    (14, 0, (4, 2)),
    (15, 0, (4, 2)),
    (16, 2, (4, 2)),
    (35, 0, (4, 8)),
    (36, 3, (4, 8)),
    (42, 0, (4, 10)),
    (46, 1, (4, 12)),
    (58, 2, (4, 16)),
    (67, 4, (4, 18)),
    (80, 0, (4, 18)),
    (109, 1, (5, 3)),
    (112, 3, (5, 5)),
    (113, 3, (5, 5)),
    (114, 3, (5, 5)),
    (115, 3, (5, 5)),
    (117, 1, (5, 6)),
    (118, 0, (5, 6)),
    (120, 4, (5, 7)),
    (123, 1, (5, 15)),
    (125, 0, (5, 8)),
    (130, 4, (5, 8)),
    (131, 3, (5, 8)),
    (132, 2, (5, 8)),
    (133, 2, (5, 8)),
    (147, 3, (5, 10)),
    (158, 0, (5, 11)),
    (164, 4, (5, 13)),
    (173, 1, (5, 15)),
    (174, 1, (5, 15)),
    (175, 1, (5, 15)),
    (181, 4, (5, 17)),
    (183, 3, (5, 17)),
    (184, 2, (5, 17)),
    (195, 3, (5, 19)),
];

/// Not in the table, because it is the only one of Linux 6.1.
const KTIME_GET_TAI_NS: i32 = 208;

impl Checker<'_> {
    /// A call of a helper.
    pub fn call(&mut self, at: usize, helper: i32, state: &mut State) -> Result<(), String> {
        let all = HELPERS.iter().chain(&[(KTIME_GET_TAI_NS, 0, (6, 1))]);
        let (_, count, since) = all
            .into_iter()
            .find(|(number, ..)| *number == helper)
            .ok_or(format!("calls {helper}, which no one knows"))?;
        if self.release < *since {
            return Err(format!("calls {helper}, which came with Linux {since:?}"));
        }
        let mut args = [Value::Nothing; 6];
        for (reg, arg) in args.iter_mut().enumerate().take(count + 1).skip(1) {
            *arg = state.read(reg)?;
            if let Value::OrNull(_) = arg {
                return Err(format!("r{reg} may be null"));
            }
        }
        let result = self.effect(at, helper, &args, state)?;
        if let Value::OrNull(id) = result {
            // What an earlier round of the loop left has another identity.
            state.settle(id, Value::Any);
        }
        state.clobber(result);
        Ok(())
    }

    fn map(&self, value: Value) -> Result<&tracer_script::program::Map, String> {
        match value {
            Value::Map(map) => Ok(&self.image.maps[map]),
            other => Err(format!("r1 is no map: {other:?}")),
        }
    }

    fn effect(
        &mut self,
        at: usize,
        helper: i32,
        args: &[Value; 6],
        state: &mut State,
    ) -> Result<Value, String> {
        match helper {
            1..=3 | 195 => {
                let map = self.map(args[1])?;
                let (key, value) = (map.key_size, map.value_size);
                pointed(state, args[2], key, State::reads_stack)?;
                if helper == 2 {
                    pointed(state, args[3], value, State::reads_stack)?;
                }
                if matches!(helper, 1 | 195) {
                    return Ok(Value::OrNull(at));
                }
            }
            16 | 112..=115 => self.filled(state, args[1], args[2])?,
            67 => self.filled(state, args[2], args[3])?,
            120 => self.filled(state, args[3], args[4])?,
            147 => self.filled(state, args[2], args[3])?,
            183 => self.filled(state, args[3], Value::Const(8))?,
            184 => self.filled(state, args[2], Value::Const(8))?,
            130 => {
                self.map(args[1])?;
                match (args[2], args[3]) {
                    (Value::Frame(from), Value::Const(bytes)) => {
                        state.reads_stack(from, bytes as u32)?;
                    }
                    (Value::Frame(_), _) => return Err("a record of unknown size".to_owned()),
                    _ => {}
                }
            }
            131 => {
                self.map(args[1])?;
                return match args[2] {
                    Value::Const(_) => Ok(Value::OrNull(at)),
                    other => Err(format!("a record of {other:?} bytes")),
                };
            }
            164 => {
                self.map(args[1])?;
                self.callback(args[2], 4)?;
            }
            181 => self.callback(args[2], 2)?,
            _ => {}
        }
        Ok(Value::Any)
    }

    fn callback(&mut self, value: Value, params: usize) -> Result<(), String> {
        let Value::Function(start) = value else {
            return Err(format!("r2 is no function: {value:?}"));
        };
        self.calls.insert((self.current, start));
        let known = *self.callbacks.entry(start).or_insert(params);
        if known != params {
            return Err("a function is called back in two ways".to_owned());
        }
        Ok(())
    }

    /// Memory that the helper writes.
    fn filled(&self, state: &mut State, pointer: Value, size: Value) -> Result<(), String> {
        match (pointer, size) {
            (Value::Frame(from), Value::Const(bytes)) => state.writes_stack(from, bytes as u32),
            (Value::Frame(_), _) => Err("writes stack of unknown size".to_owned()),
            (Value::Any | Value::InFrame, _) => Ok(()),
            _ => Err(format!("writes to {pointer:?}")),
        }
    }
}

fn pointed(
    state: &mut State,
    pointer: Value,
    bytes: u32,
    check: impl FnOnce(&mut State, i32, u32) -> Result<(), String>,
) -> Result<(), String> {
    match pointer {
        Value::Frame(from) => check(state, from, bytes),
        Value::Any | Value::InFrame => Ok(()),
        _ => Err(format!("{pointer:?} is passed as a pointer")),
    }
}
