//! Is a graph one that may be given to ONNX Runtime? Asked of the bytes alone, in time and memory linear in the file.
//!
//! Design decision: ONNX Runtime trusts a graph: it allocates what tensors claim to hold and what a shape asks for. So what
//! can be seen in the file to be no detector is refused with its name before: more elements than data, shapes beyond any
//! picture, operators that this library has not, graphs that are empty or run in a circle. What only a run can tell is
//! bounded by [`crate::guard`].

use super::{Fields, Malformed, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Most nodes of a model, in all its graphs and functions: ten times those of large transformers.
pub(crate) const MAX_NODES: usize = 100_000;
/// Most elements of a shape that a graph declares or asks for: a gibibyte of floats.
pub(crate) const MAX_ELEMENTS: u64 = 1 << 28;
/// Subgraphs nest through control flow; the stack is bounded by it.
const MAX_DEPTH: usize = 64;
/// Domains whose operators are in ONNX Runtime.
const DOMAINS: [&str; 5] = ["", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc"];

/// What a graph must not be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("it is no protobuf message, or is cut short")]
    Malformed,
    #[error("it holds no graph, or one without nodes")]
    Empty,
    #[error("it has more than {MAX_NODES} nodes")]
    TooManyNodes,
    #[error("its graphs are nested more than {MAX_DEPTH} deep")]
    TooDeep,
    #[error("tensor '{name}' claims {claimed} elements and holds {bytes} bytes")]
    Claim { name: String, claimed: String, bytes: usize },
    #[error("'{name}' is declared with {claimed} elements, {MAX_ELEMENTS} at most are run")]
    Declared { name: String, claimed: String },
    #[error("node '{node}' makes {claimed} elements, {MAX_ELEMENTS} at most are run")]
    Asked { node: String, claimed: String },
    #[error(
        "node '{node}' is the operator '{op}' of '{domain}', which onnx runtime has not; export with standard operators"
    )]
    CustomOperator { node: String, op: String, domain: String },
    #[error("its nodes run in a circle through '{node}'")]
    Cycle { node: String },
}

impl From<Malformed> for Fault {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// Looks for the first fault of a model.
pub(crate) fn audit(model: &[u8]) -> Result<(), Fault> {
    let mut audit = Audit { functions: BTreeSet::new(), nodes: 0 };
    let (mut graphs, mut functions) = (Vec::new(), Vec::new());
    for field in Fields(model) {
        match field? {
            (7, Value::Bytes(graph)) => graphs.push(graph),
            (25, Value::Bytes(function)) => {
                audit.functions.insert((text_of(function, 10)?, text_of(function, 1)?));
                functions.push(function);
            }
            _ => {}
        }
    }
    for graph in graphs {
        audit.graph(graph, &GRAPH, 0)?;
    }
    for function in functions {
        audit.graph(function, &FUNCTION, 0)?;
    }
    if audit.nodes == 0 { Err(Fault::Empty) } else { Ok(()) }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned()
}

/// A field of text; empty when it is not there.
fn text_of(message: &[u8], wanted: u64) -> Result<String, Malformed> {
    let mut found = String::new();
    for field in Fields(message) {
        if let (number, Value::Bytes(bytes)) = field?
            && number == wanted
        {
            found = text(bytes);
        }
    }
    Ok(found)
}

/// Numbers of the fields with nodes, constants and declarations.
struct FieldNumbers {
    node: u64,
    tensor: Option<u64>,
    declared: &'static [u64],
}

const GRAPH: FieldNumbers = FieldNumbers { node: 1, tensor: Some(5), declared: &[11, 12, 13] };
const FUNCTION: FieldNumbers = FieldNumbers { node: 7, tensor: None, declared: &[12] };

struct Audit {
    /// Domain and name.
    functions: BTreeSet<(String, String)>,
    nodes: usize,
}

#[derive(Default)]
struct Node<'m> {
    inputs: Vec<&'m [u8]>,
    outputs: Vec<&'m [u8]>,
    name: String,
    op: String,
    domain: String,
    attributes: Vec<&'m [u8]>,
}

impl Node<'_> {
    fn title(&self) -> String {
        match (self.name.is_empty(), self.outputs.first()) {
            (true, Some(output)) => text(output),
            _ => self.name.clone(),
        }
    }
}

/// A tensor's name and, where it is small, its 64-bit integers.
struct Tensor<'m> {
    name: &'m [u8],
    integers: Vec<i64>,
}

impl Audit {
    fn graph(&mut self, message: &[u8], fields: &FieldNumbers, depth: usize) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            return Err(Fault::TooDeep);
        }
        let mut nodes = Vec::new();
        let mut constants: BTreeMap<&[u8], Vec<i64>> = BTreeMap::new();
        for field in Fields(message) {
            let (number, Value::Bytes(bytes)) = field? else { continue };
            if number == fields.node {
                self.nodes += 1;
                nodes.push(node(bytes)?);
            } else if Some(number) == fields.tensor {
                let tensor = tensor(bytes)?;
                constants.insert(tensor.name, tensor.integers);
            } else if fields.declared.contains(&number) {
                declared(bytes)?;
            }
            if self.nodes > MAX_NODES {
                return Err(Fault::TooManyNodes);
            }
        }
        for node in &nodes {
            self.operator(node)?;
            for attribute in &node.attributes {
                if let Some(value) = self.attribute(attribute, depth)?
                    && node.op == "Constant"
                    && let Some(output) = node.outputs.first()
                {
                    constants.insert(output, value);
                }
            }
        }
        nodes.iter().try_for_each(|node| asked(node, &constants))?;
        acyclic(&nodes)
    }

    fn operator(&self, node: &Node<'_>) -> Result<(), Fault> {
        let own = (node.domain.clone(), node.op.clone());
        if DOMAINS.contains(&node.domain.as_str()) || self.functions.contains(&own) {
            return Ok(());
        }
        let (domain, op) = own;
        Err(Fault::CustomOperator { node: node.title(), op, domain })
    }

    /// Looks into an attribute's graphs and tensors; gives the integers of a tensor.
    fn attribute(&mut self, message: &[u8], depth: usize) -> Result<Option<Vec<i64>>, Fault> {
        let mut integers = None;
        for field in Fields(message) {
            match field? {
                (6 | 11, Value::Bytes(graph)) => self.graph(graph, &GRAPH, depth + 1)?,
                (5 | 10, Value::Bytes(bytes)) => integers = Some(tensor(bytes)?.integers),
                _ => {}
            }
        }
        Ok(integers)
    }
}

fn node(message: &[u8]) -> Result<Node<'_>, Malformed> {
    let mut node = Node::default();
    for field in Fields(message) {
        match field? {
            (1, Value::Bytes(name)) => node.inputs.push(name),
            (2, Value::Bytes(name)) => node.outputs.push(name),
            (3, Value::Bytes(name)) => node.name = text(name),
            (4, Value::Bytes(op)) => node.op = text(op),
            (5, Value::Bytes(attribute)) => node.attributes.push(attribute),
            (7, Value::Bytes(domain)) => node.domain = text(domain),
            _ => {}
        }
    }
    Ok(node)
}

/// Numbers of a repeated field, packed or not.
fn numbers(value: &Value<'_>, into: &mut Vec<u64>) -> Result<(), Malformed> {
    match value {
        Value::Number(number) => into.push(*number),
        Value::Bytes(packed) => {
            let mut packed = Fields(packed);
            while !packed.0.is_empty() {
                into.push(packed.varint()?);
            }
        }
    }
    Ok(())
}

/// The number of elements; `None` when it does not fit or a dimension is negative.
fn product(dims: &[u64]) -> Option<u64> {
    if dims.iter().any(|dim| i64::try_from(*dim).is_err()) {
        return None;
    }
    if dims.contains(&0) {
        return Some(0);
    }
    dims.iter().try_fold(1_u64, |product, dim| product.checked_mul(*dim))
}

fn dims_text(dims: &[u64]) -> String {
    let dims: Vec<String> = dims.iter().take(16).map(|dim| dim.cast_signed().to_string()).collect();
    dims.join("×")
}

/// Most integers of a constant that are looked at: shapes are short.
const MAX_SHAPE: usize = 64;

fn tensor(message: &[u8]) -> Result<Tensor<'_>, Fault> {
    let (mut dims, mut typed, mut name, mut raw, mut dtype) = (Vec::new(), Vec::new(), &[][..], &[][..], 0);
    for field in Fields(message) {
        match field? {
            (1, value) => numbers(&value, &mut dims)?,
            (2, Value::Number(number)) => dtype = number,
            (7, value) if message.len() < 16 * MAX_SHAPE => numbers(&value, &mut typed)?,
            (8, Value::Bytes(bytes)) => name = bytes,
            (9, Value::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    // The tightest packing there is puts four elements into a byte.
    let most = 4 * message.len() as u64;
    if product(&dims).is_none_or(|elements| elements > most) {
        let (name, claimed) = (text(name), dims_text(&dims));
        return Err(Fault::Claim { name, claimed, bytes: message.len() });
    }
    const INT64: u64 = 7;
    let mut integers: Vec<i64> = typed.into_iter().map(u64::cast_signed).collect();
    if dtype == INT64 && raw.len() <= 8 * MAX_SHAPE {
        integers.extend(raw.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes)));
    }
    Ok(Tensor { name, integers })
}

/// `ValueInfoProto`: name 1, type 2 › tensor 1 › shape 2 › dimension 1 › value 1.
fn declared(message: &[u8]) -> Result<(), Fault> {
    let mut dims = Vec::new();
    let inner = |message, wanted| -> Result<Vec<&[u8]>, Malformed> {
        let mut found = Vec::new();
        for field in Fields(message) {
            if let (number, Value::Bytes(bytes)) = field?
                && number == wanted
            {
                found.push(bytes);
            }
        }
        Ok(found)
    };
    for ty in inner(message, 2)? {
        for tensor in inner(ty, 1)? {
            for shape in inner(tensor, 2)? {
                for dim in inner(shape, 1)? {
                    for field in Fields(dim) {
                        if let (1, Value::Number(size)) = field? {
                            // Some exporters write −1 for an open size.
                            dims.push(if size.cast_signed() < 0 { 1 } else { size });
                        }
                    }
                }
            }
        }
    }
    if product(&dims).is_none_or(|elements| elements > MAX_ELEMENTS) {
        return Err(Fault::Declared { name: text_of(message, 1)?, claimed: dims_text(&dims) });
    }
    Ok(())
}

/// Refuses operators that make as many elements as a constant says, where that is too many.
fn asked(node: &Node<'_>, constants: &BTreeMap<&[u8], Vec<i64>>) -> Result<(), Fault> {
    let shape = match node.op.as_str() {
        "ConstantOfShape" => node.inputs.first(),
        "Expand" | "Tile" => node.inputs.get(1),
        _ => None,
    };
    let Some(sizes) = shape.and_then(|name| constants.get(name)) else { return Ok(()) };
    let sizes: Vec<u64> = sizes.iter().map(|size| size.cast_unsigned()).collect();
    if product(&sizes).is_none_or(|elements| elements > MAX_ELEMENTS) {
        return Err(Fault::Asked { node: node.title(), claimed: dims_text(&sizes) });
    }
    Ok(())
}

/// Takes off nodes whose inputs are all made already; what is left at the end waits for itself.
fn acyclic(nodes: &[Node<'_>]) -> Result<(), Fault> {
    let maker: BTreeMap<&[u8], usize> = nodes
        .iter()
        .enumerate()
        .flat_map(|(index, node)| node.outputs.iter().map(move |output| (*output, index)))
        .filter(|(output, _)| !output.is_empty())
        .collect();
    let mut waits_for = vec![0; nodes.len()];
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        for made in node.inputs.iter().filter_map(|input| maker.get(input)) {
            waits_for[index] += 1;
            users[*made].push(index);
        }
    }
    let mut ready: Vec<usize> = (0..nodes.len()).filter(|index| waits_for[*index] == 0).collect();
    while let Some(index) = ready.pop() {
        for user in std::mem::take(&mut users[index]) {
            waits_for[user] -= 1;
            if waits_for[user] == 0 {
                ready.push(user);
            }
        }
    }
    match waits_for.iter().position(|waits| *waits > 0) {
        Some(index) => Err(Fault::Cycle { node: nodes[index].title() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2];
        let mut length = content.len();
        while length >= 0x80 {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend(content);
        bytes
    }

    fn relu(number: usize) -> Vec<u8> {
        let (input, output) = (format!("x{number}"), format!("x{}", number + 1));
        let node = [field(1, input.as_bytes()), field(2, output.as_bytes()), field(4, b"Relu")].concat();
        field(1, &node)
    }

    #[test]
    fn a_chain_of_the_most_nodes_passes_in_no_stack_and_one_more_does_not() {
        let chain = |nodes: usize| field(7, &(0..nodes).flat_map(relu).collect::<Vec<u8>>());
        assert_eq!(audit(&chain(MAX_NODES)), Ok(()));
        assert_eq!(audit(&chain(MAX_NODES + 1)), Err(Fault::TooManyNodes));
    }

    #[test]
    fn dimensions_that_overflow_or_are_negative_are_too_many() {
        let tensor_of = |dims: &[u64]| {
            let mut bytes = field(8, b"w");
            for dim in dims {
                bytes.push(1 << 3);
                let mut rest = *dim;
                while rest >= 0x80 {
                    bytes.push(rest as u8 | 0x80);
                    rest >>= 7;
                }
                bytes.push(rest as u8);
            }
            [field(7, &[relu(0), field(5, &bytes)].concat())].concat()
        };
        assert_eq!(audit(&tensor_of(&[2, 2])), Ok(()));
        for dims in [&[1 << 40, 1 << 40][..], &[u64::MAX], &[1 << 20]] {
            assert!(matches!(audit(&tensor_of(dims)), Err(Fault::Claim { .. })), "{dims:?}");
        }
    }

    #[test]
    fn an_operator_that_the_model_defines_itself_is_its_own() {
        let node = [field(2, b"y"), field(4, b"Own"), field(7, b"city")].concat();
        let graph = field(7, &field(1, &node));
        let refused = audit(&graph).unwrap_err();
        assert!(matches!(&refused, Fault::CustomOperator { node, .. } if node == "y"), "{refused}");
        // Field 25 takes two bytes of tag.
        let inner = field(7, &[field(2, b"y"), field(4, b"Relu")].concat());
        let function = [field(1, b"Own"), field(5, b"y"), inner, field(10, b"city")].concat();
        let mut model = graph;
        model.extend([0xca, 0x01, function.len() as u8]);
        model.extend(function);
        assert_eq!(audit(&model), Ok(()));
    }
}
