//! `Fields` (RFC 9110 §5) against a naive list of pairs.
//!
//! Steps: `aname:value` append, `sname:value` set, `rname:` remove, `lname:value` load and push as a parser does, `c` go on
//! with a clone. After each, every question has the same answer from both.

use trilane_semantics::field::{is_token, is_value, trim_ows};
use trilane_semantics::{Fields, Known, NameRef};

use crate::script::Script;

type Model = Vec<(Vec<u8>, Vec<u8>)>;

/// `data` as a script.
pub fn fields(data: &[u8]) {
    let (mut fields, mut model) = (Fields::new(), Model::new());
    for step in Script::new(data).0 {
        let (name, value) = step.pair();
        let (lower, trimmed) = (name.to_ascii_lowercase(), trim_ows(value).to_vec());
        let is_valid = is_token(name) && is_value(value);
        match step.op {
            b'a' => {
                let added = fields.append(NameRef::new(name), value);
                assert_eq!(added.is_ok(), is_valid);
                if is_valid {
                    model.push((lower, trimmed));
                }
            }
            b's' => {
                let set = fields.set(NameRef::new(name), value);
                assert_eq!(set.is_ok(), is_valid);
                if is_valid {
                    model.retain(|(other, _)| *other != lower);
                    model.push((lower, trimmed));
                }
            }
            b'r' => {
                let before = model.len();
                model.retain(|(other, _)| *other != lower);
                assert_eq!(fields.remove(NameRef::new(name)), before - model.len());
            }
            b'l' if is_valid => {
                let line = [name, b":", value].concat();
                let start = name.len() + 1 + value.len() - trimmed_start(value);
                let end = fields.read(&line, |lines| {
                    lines.line(0..name.len(), start..start + trimmed.len())?;
                    Some(line.len())
                });
                assert_eq!(end, Some(line.len()));
                model.push((lower, trimmed));
            }
            b'c' => fields = fields.clone(),
            _ => continue,
        }
        same(&fields, &model, NameRef::new(name));
    }
}

/// How many bytes are left without the white space at the front.
fn trimmed_start(value: &[u8]) -> usize {
    let space = value.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    if space == value.len() { 0 } else { value.len() - space }
}

fn same(fields: &Fields, model: &Model, last: NameRef<'_>) {
    assert_eq!((fields.len(), fields.is_empty()), (model.len(), model.is_empty()));
    if let Some(wire) = fields.wire() {
        let lines = model.iter().map(|(name, value)| [name, &b": "[..], value, b"\r\n"].concat());
        assert_eq!(wire, lines.collect::<Vec<_>>().concat());
    }
    assert!(fields.iter().eq(model.iter().map(|(name, value)| (&name[..], &value[..]))));
    for name in Known::ALL.iter().map(|known| NameRef::Known(*known)).chain([last]) {
        let lower = name.as_bytes().to_ascii_lowercase();
        let theirs = || {
            let same = model.iter().filter(|(other, _)| *other == lower);
            same.map(|(_, value)| &value[..])
        };
        assert!(fields.all(name).eq(theirs()));
        assert_eq!(fields.get(name), theirs().next());
        assert_eq!(fields.contains(name), theirs().next().is_some());
        if let NameRef::Known(known) = name {
            assert_eq!(fields.is_repeated(known), theirs().count() > 1);
        }
        let members = theirs().flat_map(|value| value.split(|&byte| byte == b','));
        let members = members.map(trim_ows).filter(|member| !member.is_empty());
        assert!(fields.list(name).eq(members));
    }
}
