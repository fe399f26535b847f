//! Building one function of the intermediate form.

use crate::{
    diagnostic::Span,
    ir::{Block, BlockId, Cond, End, Function, Op, Operand, Reg, SlotId},
};

/// A function that is being built.
pub(super) struct Builder {
    function: Function,
    here: BlockId,
    /// The block is complete: what follows is not reached.
    ended: bool,
    /// Slots that hold something.
    taken: Vec<SlotId>,
}

/// Where operations are added to a function.
#[derive(Clone, Copy)]
pub(super) struct Here {
    block: BlockId,
    ended: bool,
}

impl Builder {
    pub(super) fn new(name: impl Into<String>, params: u32) -> Self {
        let mut builder = Self {
            function: Function {
                name: name.into(),
                params,
                regs: params,
                blocks: Vec::new(),
                slots: Vec::new(),
            },
            here: 0,
            ended: false,
            taken: Vec::new(),
        };
        builder.block();
        builder
    }

    pub(super) fn finish(self) -> Function {
        self.function
    }

    pub(super) fn reg(&mut self) -> Reg {
        self.function.regs += 1;
        self.function.regs - 1
    }

    pub(super) fn block(&mut self) -> BlockId {
        self.function.blocks.push(Block {
            ops: Vec::new(),
            end: End::Return(Operand::Imm(0)),
            end_span: Span::default(),
        });
        self.function.blocks.len() - 1
    }

    pub(super) fn go_on_at(&mut self, block: BlockId) {
        self.here = block;
        self.ended = false;
    }

    /// Where operations are added.
    pub(super) fn here(&self) -> Here {
        Here {
            block: self.here,
            ended: self.ended,
        }
    }

    /// Adds operations there again.
    pub(super) fn go_back_to(&mut self, here: Here) {
        self.here = here.block;
        self.ended = here.ended;
    }

    pub(super) fn op(&mut self, op: Op, span: Span) {
        if !self.ended {
            self.function.blocks[self.here].ops.push((op, span));
        }
    }

    fn end(&mut self, end: End, span: Span) {
        if !self.ended {
            let block = &mut self.function.blocks[self.here];
            block.end = end;
            block.end_span = span;
            self.ended = true;
        }
    }

    pub(super) fn jump(&mut self, to: BlockId, span: Span) {
        self.end(End::Jump(to), span);
    }

    pub(super) fn branch(
        &mut self,
        cond: Cond,
        left: Operand,
        right: Operand,
        then: BlockId,
        other: BlockId,
        span: Span,
    ) {
        self.end(End::Branch(cond, left, right, then, other), span);
    }

    pub(super) fn ret(&mut self, value: Operand, span: Span) {
        self.end(End::Return(value), span);
    }

    /// Bytes of all slots.
    pub(super) fn stack_size(&self) -> u32 {
        self.function.slots.iter().sum()
    }

    /// A free slot of so many bytes.
    pub(super) fn slot(&mut self, size: u32) -> SlotId {
        let size = size.div_ceil(8) * 8;
        let is_free =
            |slot: &SlotId| self.function.slots[*slot] == size && !self.taken.contains(slot);
        let found = (0..self.function.slots.len()).find(is_free);
        let slot = found.unwrap_or_else(|| {
            self.function.slots.push(size);
            self.function.slots.len() - 1
        });
        self.taken.push(slot);
        slot
    }

    /// True where a slot of that size would not need more of the stack.
    pub(super) fn has_free_slot(&self, size: u32) -> bool {
        let size = size.div_ceil(8) * 8;
        (0..self.function.slots.len())
            .any(|slot| self.function.slots[slot] == size && !self.taken.contains(&slot))
    }

    pub(super) fn slots_taken(&self) -> usize {
        self.taken.len()
    }

    pub(super) fn release_slots(&mut self, taken: usize) {
        self.taken.truncate(taken);
    }
}
