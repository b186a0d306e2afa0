//! A look into an ONNX file before ONNX Runtime sees it: does a tensor keep its data in another file?
//!
//! Design decision: a model is one file with one checksum. ONNX lets a tensor name any path for its data
//! (`TensorProto.external_data`, onnx.proto3), which the checksum does not cover and which may point anywhere on the
//! disk. So a file with external data is refused, wherever it points. Only the wire format of protobuf is read
//! (<https://protobuf.dev/programming-guides/encoding/>), and of the messages only those that can hold a tensor.

mod audit;

pub(crate) use audit::audit;

/// A tensor that keeps its data elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExternalTensor {
    pub(crate) name: String,
    pub(crate) location: String,
}

/// Not a protobuf message, or one that ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Subgraphs nest through control flow; no exporter goes near this depth, and the stack is bounded by it.
const MAX_DEPTH: usize = 64;

#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Function,
    Node,
    Attribute,
    SparseTensor,
    Tensor,
}

impl Message {
    /// The message that a length-delimited field holds, where it can lead to a tensor (field numbers of onnx.proto3).
    const fn child(self, field: u64) -> Option<Self> {
        match (self, field) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) => Some(Self::Graph),
            (Self::Model, 25) => Some(Self::Function),
            (Self::Graph, 1) | (Self::Function, 7) => Some(Self::Node),
            (Self::Node, 5) | (Self::Function, 11) => Some(Self::Attribute),
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Some(Self::SparseTensor),
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::SparseTensor, 1 | 2) => Some(Self::Tensor),
            _ => None,
        }
    }
}

/// The first tensor of the model whose data lies in another file.
pub(crate) fn external_tensor(model: &[u8]) -> Result<Option<ExternalTensor>, Malformed> {
    search(Message::Model, model, 0)
}

fn search(message: Message, bytes: &[u8], depth: usize) -> Result<Option<ExternalTensor>, Malformed> {
    if depth > MAX_DEPTH {
        return Err(Malformed);
    }
    if matches!(message, Message::Tensor) {
        return tensor(bytes);
    }
    for field in Fields(bytes) {
        let (number, value) = field?;
        if let (Some(child), Value::Bytes(inner)) = (message.child(number), value)
            && let Some(found) = search(child, inner, depth + 1)?
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn tensor(bytes: &[u8]) -> Result<Option<ExternalTensor>, Malformed> {
    let (mut name, mut location, mut external) = (String::new(), String::new(), false);
    for field in Fields(bytes) {
        match field? {
            (8, Value::Bytes(text)) => name = String::from_utf8_lossy(text).into_owned(),
            (13, Value::Bytes(entry)) => {
                external = true;
                if let Some(found) = entry_value(entry, b"location")? {
                    location = found;
                }
            }
            // data_location: 0 is in this file, 1 is external.
            (14, Value::Number(place)) => external |= place != 0,
            _ => {}
        }
    }
    Ok(external.then_some(ExternalTensor { name, location }))
}

/// The value of a `StringStringEntryProto` of that key.
fn entry_value(bytes: &[u8], wanted: &[u8]) -> Result<Option<String>, Malformed> {
    let (mut key, mut value) = (&[][..], &[][..]);
    for field in Fields(bytes) {
        match field? {
            (1, Value::Bytes(text)) => key = text,
            (2, Value::Bytes(text)) => value = text,
            _ => {}
        }
    }
    Ok((key == wanted).then(|| String::from_utf8_lossy(value).into_owned()))
}

enum Value<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

/// Fields of a message in the order of the file.
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for (index, byte) in self.0.iter().copied().enumerate().take(10) {
            value |= u64::from(byte & 0x7f).checked_shl(7 * index as u32).unwrap_or(0);
            if byte < 0x80 {
                self.0 = &self.0[index + 1..];
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn take(&mut self, length: u64) -> Result<&'b [u8], Malformed> {
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn field(&mut self) -> Result<(u64, Value<'b>), Malformed> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Bytes(self.take(8)?),
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Bytes(self.take(4)?),
            _ => return Err(Malformed),
        };
        Ok((tag >> 3, value))
    }
}

impl<'b> Iterator for Fields<'b> {
    type Item = Result<(u64, Value<'b>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_field(number: u8, content: &[u8]) -> Vec<u8> {
        let mut field = vec![number << 3 | 2];
        let mut length = content.len();
        while length >= 0x80 {
            field.push(length as u8 | 0x80);
            length >>= 7;
        }
        field.push(length as u8);
        field.extend(content);
        field
    }

    fn external() -> Vec<u8> {
        let entry = [bytes_field(1, b"location"), bytes_field(2, b"/etc/shadow")].concat();
        [bytes_field(8, b"weights"), bytes_field(13, &entry), vec![14 << 3, 1]].concat()
    }

    #[test]
    fn external_data_is_found_in_a_constant_of_a_nested_graph() {
        let constant = bytes_field(5, &bytes_field(5, &external()));
        let inner = bytes_field(1, &constant);
        let outer = bytes_field(7, &bytes_field(1, &bytes_field(5, &bytes_field(6, &inner))));
        let expected = ExternalTensor { name: "weights".into(), location: "/etc/shadow".into() };
        assert_eq!(external_tensor(&outer), Ok(Some(expected)));
    }

    #[test]
    fn a_tensor_with_its_own_data_is_none() {
        let model = bytes_field(7, &bytes_field(5, &bytes_field(9, b"raw")));
        assert_eq!(external_tensor(&model), Ok(None));
    }

    #[test]
    fn a_message_that_ends_early_is_malformed_and_so_is_one_that_never_ends() {
        let model = bytes_field(7, &bytes_field(5, &external()));
        for cut in 1..model.len() {
            assert!(external_tensor(&model[..cut]).is_err(), "cut at {cut}");
        }
        assert_eq!(external_tensor(&[0xff; 40]), Err(Malformed));
    }

    #[test]
    fn graphs_nested_deeper_than_any_model_are_malformed() {
        let nested = |levels: usize| {
            let graph = (0..levels)
                .fold(Vec::new(), |inner, _| bytes_field(1, &bytes_field(5, &bytes_field(6, &inner))));
            bytes_field(7, &graph)
        };
        assert_eq!(external_tensor(&nested(20)), Ok(None));
        assert_eq!(external_tensor(&nested(1000)), Err(Malformed));
    }
}
