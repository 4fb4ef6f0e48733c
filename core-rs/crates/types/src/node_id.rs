//! Ids of tree nodes, graph nodes and graph edges as apps see them: `agent:seq`, the agent's 64 bits in hexadecimal. One id has one
//! form, so that ids can be compared and used as keys.

use crate::document::Document;
use crate::error::Error;
use joinery_codec::{decimal, digits, sentence};
use joinery_history::Dot;

/// The form of an id.
pub(crate) fn format(agent: u64, seq: u32) -> String {
    sentence(&[&digits(agent, 16), ":", &decimal(u64::from(seq))])
}

fn parse(text: &str) -> Option<(u64, u32)> {
    let (agent, seq) = text.split_once(':')?;
    let id = (u64::from_str_radix(agent, 16).ok()?, seq.parse().ok()?);
    (format(id.0, id.1) == text).then_some(id)
}

impl Document {
    /// The text of a node's or an edge's id.
    pub fn node_id(&self, node: Dot) -> String {
        format(self.agents.id(node.agent), node.seq)
    }

    /// The node or edge behind an id; refused where nobody has made it as far as this replica has heard.
    pub fn node_of(&self, id: &str) -> Result<Dot, Error> {
        let dot = parse(id).and_then(|(agent, seq)| {
            let agent = self.agents.find(agent)?;
            Some(Dot { agent, seq })
        });
        dot.filter(|dot| dot.is_some() && self.version.covers(*dot))
            .ok_or(Error::NoSuchNode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_form() {
        for id in [(0, 1), (u64::MAX, u32::MAX), (0xabc, 10)] {
            assert_eq!(parse(&format(id.0, id.1)), Some(id));
        }
        let others = [
            "",
            ":",
            "1",
            "1:",
            ":1",
            "01:1",
            "1:01",
            "A:1",
            "+1:1",
            "1:+1",
            "1:1:1",
            "1:-1",
            "g:1",
            "1:4294967296",
            "10000000000000000:1",
        ];
        assert!(others.iter().all(|text| parse(text).is_none()));
    }
}
