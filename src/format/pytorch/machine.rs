//! The interpreter of pickles. It builds plain objects and runs no code: a call of an unknown function becomes an object that
//! records the function's name.
//!
//! Definition: <https://docs.python.org/3/library/pickletools.html>.

use super::calls::{self, Failure};
use super::heap::{Heap, Instance, Object, Value};
use super::malformed;
use super::opcode as op;
use super::stream::Stream;
use crate::error::SourceError;
use std::cmp::Ordering;
use std::collections::HashMap;

/// Most steps of one pickle. Each makes at most 50 bytes. A model of 37,000 tensors with the state of its optimizer takes as many.
const STEPS: u64 = 8_000_000;

/// How many steps an object of an unknown class counts for, because it takes more memory than others.
const INSTANCE: u64 = 4;

/// Longest text that is kept, in bytes. Names are shorter.
const TEXT: usize = 4096;

/// Most bytes of texts that are kept: 64 MiB.
const TEXTS: u64 = 1 << 26;

/// Most bytes of a number that is kept, as in an `i64`.
const NUMBER: usize = 8;

/// Runs one pickle from the stream's position up to its end.
pub(super) fn run(stream: &mut Stream<'_>, heap: &mut Heap) -> Result<Value, SourceError> {
    let (stack, marks, memo, sparse) = Default::default();
    Machine { stream, heap, stack, marks, memo, sparse, steps: 0, texts: 0 }.run()
}

/// The state of a run.
struct Machine<'a, 'b> {
    stream: &'a mut Stream<'b>,
    heap: &'a mut Heap,
    stack: Vec<Value>,
    /// For each open mark, how many values of the stack are below it.
    marks: Vec<usize>,
    /// The memo. Picklers number its entries from 0 on.
    memo: Vec<Value>,
    /// Entries of the memo with other numbers.
    sparse: HashMap<usize, Value>,
    steps: u64,
    texts: u64,
}

type Done = Result<(), Failure>;

impl Machine<'_, '_> {
    fn run(mut self) -> Result<Value, SourceError> {
        loop {
            let at = self.stream.position();
            let code = self.stream.byte()?;
            let result = match code {
                op::STOP => self.pop().map(Some),
                _ => self.step(code).and_then(|()| self.spend(1)).map(|()| None),
            };
            match result {
                Ok(None) => {}
                Ok(Some(root)) => return Ok(root),
                Err(Failure::Source(error)) => return Err(error),
                Err(Failure::Reason(reason)) => {
                    let reason = format!("opcode {code:#04x} at byte {at}: {reason}");
                    return Err(malformed(self.stream.object().path(), reason));
                }
            }
        }
    }

    fn step(&mut self, code: u8) -> Done {
        match code {
            op::PROTO => match self.stream.byte()? {
                0..=5 => Ok(()),
                version => Err(format!("protocol {version}, at most 5 is read").into()),
            },
            op::FRAME => self.stream.bytes::<8>().map(|_| ()).map_err(Failure::from),
            op::MARK => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            op::POP => match self.marks.last() == Some(&self.stack.len()) {
                true => self.marks.pop().map(|_| ()).ok_or_else(|| "no mark".into()),
                false => self.pop().map(|_| ()),
            },
            op::POP_MARK => self.marked().map(|_| ()),
            op::DUP => {
                let top = self.top()?;
                self.push(top)
            }
            op::PUT | op::BINPUT | op::LONG_BINPUT | op::MEMOIZE => self.put(code),
            op::GET | op::BINGET | op::LONG_BINGET => self.recall(code),
            op::APPEND | op::APPENDS | op::ADDITEMS | op::SETITEM | op::SETITEMS | op::BUILD => self.fill(code),
            op::REDUCE | op::NEWOBJ | op::NEWOBJ_EX | op::OBJ | op::INST | op::BINPERSID => self.make(code),
            op::GLOBAL | op::STACK_GLOBAL => self.global(code),
            _ => self.literal(code),
        }
    }

    /// Pushes a number, a text or a container.
    fn literal(&mut self, code: u8) -> Done {
        let value = match code {
            op::NONE => Value::None,
            op::NEWTRUE => Value::Bool(true),
            op::NEWFALSE => Value::Bool(false),
            op::BININT => Value::Int(i32::from_le_bytes(self.stream.bytes()?).into()),
            op::BININT1 => Value::Int(self.stream.byte()?.into()),
            op::BININT2 => Value::Int(u16::from_le_bytes(self.stream.bytes()?).into()),
            op::INT | op::LONG => decimal(&self.stream.line()?),
            op::LONG1 => {
                let length = self.stream.byte()?;
                self.long(length.into())?
            }
            op::LONG4 => match i32::from_le_bytes(self.stream.bytes()?) {
                length @ 0.. => self.long(length as u64)?,
                length => return Err(format!("a number of {length} bytes").into()),
            },
            op::FLOAT => {
                self.stream.line()?;
                Value::Opaque
            }
            op::BINFLOAT => {
                self.stream.bytes::<8>()?;
                Value::Opaque
            }
            op::SHORT_BINUNICODE | op::SHORT_BINSTRING | op::BINUNICODE | op::BINSTRING | op::BINUNICODE8 => {
                let length = self.length(code)?;
                match self.stream.take(length, TEXT)? {
                    Some(bytes) => self.text(bytes)?,
                    None => Value::Opaque,
                }
            }
            op::UNICODE => {
                let line = self.stream.line()?;
                self.text(line)?
            }
            op::STRING => {
                let line = self.stream.line()?;
                let quoted = |quote| line.strip_prefix(quote)?.strip_suffix(quote);
                let inner = quoted(b"'").or_else(|| quoted(b"\"")).ok_or("a text without quotes")?;
                self.text(inner.to_vec())?
            }
            op::SHORT_BINBYTES | op::BINBYTES | op::BINBYTES8 | op::BYTEARRAY8 => {
                let length = self.length(code)?;
                self.stream.skip(length)?;
                Value::Opaque
            }
            op::EMPTY_LIST | op::EMPTY_SET => self.object(Object::List(Vec::new())),
            op::EMPTY_TUPLE => self.object(Object::Tuple(Vec::new())),
            op::EMPTY_DICT => self.object(Object::Dict(Vec::new())),
            op::LIST | op::FROZENSET => {
                let items = self.marked()?;
                self.object(Object::List(items))
            }
            op::TUPLE => {
                let items = self.marked()?;
                self.object(Object::Tuple(items))
            }
            op::TUPLE1 | op::TUPLE2 | op::TUPLE3 => {
                let items = self.last(usize::from(code - op::TUPLE1) + 1)?;
                self.object(Object::Tuple(items))
            }
            op::DICT => {
                let items = self.marked()?;
                self.object(Object::Dict(pairs(&items)?))
            }
            op::PERSID => return Err("a persistent id in text form, which torch.save does not write".into()),
            _ => return Err("not an opcode of weights".into()),
        };
        self.push(value)
    }

    /// Adds values to the container, or the state to the object, that stands below them.
    fn fill(&mut self, code: u8) -> Done {
        let items = match code {
            op::APPENDS | op::ADDITEMS | op::SETITEMS => self.marked()?,
            op::SETITEM => self.last(2)?,
            _ => self.last(1)?,
        };
        let Value::Object(place) = self.top()? else {
            // Nothing can be added to a plain value. A class that got attributes stays a name.
            return Ok(());
        };
        match (code, self.heap.get_mut(place)) {
            (op::BUILD, Object::Instance(instance)) => instance.state = items[0],
            // The attributes of dictionaries, tensors and lists hold no weights.
            (op::BUILD, _) => {}
            (op::SETITEM | op::SETITEMS, Object::Dict(entries)) => entries.extend(pairs(&items)?),
            (op::SETITEM | op::SETITEMS, Object::Instance(instance)) => instance.entries.extend(pairs(&items)?),
            (op::APPEND | op::APPENDS | op::ADDITEMS, Object::List(list)) => list.extend(items),
            (op::APPEND | op::APPENDS | op::ADDITEMS, Object::Instance(instance)) => instance.elements.extend(items),
            _ => return Err("values are added to an object that holds none".into()),
        }
        Ok(())
    }

    /// Makes an object of a class or function and its arguments.
    fn make(&mut self, code: u8) -> Done {
        let (class, arguments) = match code {
            op::BINPERSID => {
                let id = self.pop()?;
                let storage = calls::persistent(self.heap, id)?;
                return self.push(storage);
            }
            op::INST => {
                let (module, name) = (self.stream.line()?, self.stream.line()?);
                let class = self.named(&[&module[..], b".", &name[..]].concat())?;
                (class, self.marked()?)
            }
            op::OBJ => {
                let items = self.marked()?;
                let (class, arguments) = items.split_first().ok_or("an object without a class")?;
                (*class, arguments.to_vec())
            }
            op::NEWOBJ_EX => {
                let items = self.last(3)?;
                return self.call(items[0], items[1]);
            }
            _ => {
                let items = self.last(2)?;
                return self.call(items[0], items[1]);
            }
        };
        let arguments = self.object(Object::Tuple(arguments));
        self.call(class, arguments)
    }

    fn call(&mut self, function: Value, arguments: Value) -> Done {
        let Value::Global(global) = function else {
            // What an unknown function returned is called, or a number. Whatever it is, it is not read.
            return self.push(Value::Opaque);
        };
        let (made, cost) = calls::call(self.heap, global, arguments)?;
        self.spend(cost)?;
        let made = match made {
            Some(value) => value,
            None => {
                self.spend(INSTANCE)?;
                let (elements, entries, state) = (Vec::new(), Vec::new(), Value::None);
                self.object(Object::Instance(Box::new(Instance { global, arguments, state, elements, entries })))
            }
        };
        self.push(made)
    }

    fn global(&mut self, code: u8) -> Done {
        let full = match code {
            op::GLOBAL => {
                let (module, name) = (self.stream.line()?, self.stream.line()?);
                [&module[..], b".", &name[..]].concat()
            }
            _ => {
                let items = self.last(2)?;
                let [Value::Text(module), Value::Text(name)] = items[..] else {
                    return Err("a global whose name is no text".into());
                };
                format!("{}.{}", self.heap.text(module), self.heap.text(name)).into_bytes()
            }
        };
        let global = self.named(&full)?;
        self.push(global)
    }

    fn named(&mut self, full: &[u8]) -> Result<Value, Failure> {
        match self.text(full.to_vec())? {
            Value::Text(place) => Ok(Value::Global(place)),
            _ => Err("a global whose name is no text".into()),
        }
    }

    fn put(&mut self, code: u8) -> Done {
        let index = match code {
            op::MEMOIZE => self.memo.len(),
            _ => self.index(code)?,
        };
        let value = self.top()?;
        match index.cmp(&self.memo.len()) {
            Ordering::Less => self.memo[index] = value,
            Ordering::Equal => self.memo.push(value),
            Ordering::Greater => _ = self.sparse.insert(index, value),
        }
        Ok(())
    }

    fn recall(&mut self, code: u8) -> Done {
        let index = self.index(code)?;
        let value = self.memo.get(index).or_else(|| self.sparse.get(&index)).copied();
        let value = value.ok_or_else(|| format!("the memo has no entry {index}"))?;
        self.push(value)
    }

    fn index(&mut self, code: u8) -> Result<usize, Failure> {
        match code {
            op::BINPUT | op::BINGET => Ok(self.stream.byte()?.into()),
            op::LONG_BINPUT | op::LONG_BINGET => Ok(u32::from_le_bytes(self.stream.bytes()?) as usize),
            _ => match decimal(&self.stream.line()?) {
                Value::Int(index @ 0..) => Ok(index as usize),
                _ => Err("an entry of the memo without a number".into()),
            },
        }
    }

    /// Reads the length of a text or of bytes.
    fn length(&mut self, code: u8) -> Result<u64, Failure> {
        Ok(match code {
            op::SHORT_BINUNICODE | op::SHORT_BINSTRING | op::SHORT_BINBYTES => self.stream.byte()?.into(),
            op::BINUNICODE8 | op::BINBYTES8 | op::BYTEARRAY8 => u64::from_le_bytes(self.stream.bytes()?),
            _ => u32::from_le_bytes(self.stream.bytes()?).into(),
        })
    }

    /// Reads a little-endian two's complement number of that many bytes.
    fn long(&mut self, length: u64) -> Result<Value, SourceError> {
        let Some(bytes) = self.stream.take(length, NUMBER)? else { return Ok(Value::Opaque) };
        let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
        let mut all = [if negative { 0xff } else { 0 }; NUMBER];
        all[..bytes.len()].copy_from_slice(&bytes);
        Ok(Value::Int(i64::from_le_bytes(all)))
    }

    fn text(&mut self, bytes: Vec<u8>) -> Result<Value, Failure> {
        self.texts += bytes.len() as u64;
        self.expect(self.texts <= TEXTS, "more than 64 MiB of texts")?;
        // Names are UTF-8. Anything else, such as bytes that Python 2 wrote as text, is no name.
        Ok(match String::from_utf8(bytes) {
            Ok(text) => Value::Text(self.heap.add(Object::Text(text.into()))),
            Err(_) => Value::Opaque,
        })
    }

    fn object(&mut self, object: Object) -> Value {
        Value::Object(self.heap.add(object))
    }

    fn push(&mut self, value: Value) -> Done {
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, Failure> {
        Ok(self.last(1)?[0])
    }

    fn top(&self) -> Result<Value, Failure> {
        self.stack.last().copied().ok_or_else(|| "the stack is empty".into())
    }

    /// Takes the last values from the stack. A mark is a limit.
    fn last(&mut self, count: usize) -> Result<Vec<Value>, Failure> {
        let below = self.marks.last().copied().unwrap_or(0);
        match self.stack.len().checked_sub(count).filter(|&at| at >= below) {
            Some(at) => Ok(self.stack.split_off(at)),
            None => Err(format!("{count} values are taken from a stack that has {}", self.stack.len() - below).into()),
        }
    }

    /// Takes the values above the last mark from the stack, and the mark.
    fn marked(&mut self) -> Result<Vec<Value>, Failure> {
        let mark = self.marks.pop().ok_or("there is no mark")?;
        Ok(self.stack.split_off(mark))
    }

    fn spend(&mut self, steps: u64) -> Done {
        self.steps = self.steps.saturating_add(steps);
        self.expect(self.steps <= STEPS, "more than 8 million steps, which no model needs")
    }

    fn expect(&self, holds: bool, reason: &str) -> Done {
        if holds { Ok(()) } else { Err(reason.into()) }
    }
}

fn pairs(items: &[Value]) -> Result<Vec<(Value, Value)>, Failure> {
    match items.as_chunks::<2>() {
        (pairs, []) => Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect()),
        _ => Err("a key without a value".into()),
    }
}

/// Parses a number in text form. `I01` and `I00` are booleans, and a number of Python 2 may end in `L`.
fn decimal(line: &[u8]) -> Value {
    let text = std::str::from_utf8(line).unwrap_or_default().trim_end();
    match text {
        "00" => Value::Bool(false),
        "01" => Value::Bool(true),
        _ => text.strip_suffix('L').unwrap_or(text).parse().map_or(Value::Opaque, Value::Int),
    }
}
