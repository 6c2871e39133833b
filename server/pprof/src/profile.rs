//! A profile in the form that pprof reads: samples of stacks, with what they count and their labels (profile.proto).

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use trilane_profile::Symbol;

use crate::message::Message;

/// What a number is, and its unit.
pub(crate) type Kind = (&'static str, &'static str);

/// A place of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// Code, by the address behind its call.
    Code(usize),
    /// Something that is no code, such as a route.
    Named(String),
}

/// A profile that is being made. Dates and lengths are those of the measurement.
pub(crate) struct Profile {
    message: Message,
    strings: HashMap<String, u64>,
    places: HashMap<Place, u64>,
    functions: HashMap<(u64, u64), u64>,
    /// What is written behind the samples.
    tables: Message,
}

impl Profile {
    /// Of samples that count these things, by default the last one.
    pub(crate) fn new(kinds: &[Kind]) -> Self {
        let mut profile = Self {
            message: Message::default(),
            strings: HashMap::new(),
            places: HashMap::new(),
            functions: HashMap::new(),
            tables: Message::default(),
        };
        profile.string("");
        for kind in kinds {
            let kind = profile.kind(*kind);
            profile.message.message(1, &kind);
        }
        let mut mapping = Message::default();
        let path = std::env::current_exe().unwrap_or_default();
        let path = profile.string(&path.to_string_lossy());
        // All of memory, and all that is to be known of it is here: there is nothing to look up elsewhere.
        mapping.number(1, 1).number(3, u64::MAX).number(5, path);
        for has in 7..=10 {
            mapping.number(has, 1);
        }
        profile.message.message(3, &mapping);
        profile
    }

    /// When it was taken, and for how long.
    pub(crate) fn taken(&mut self, at: SystemTime, took: Duration) {
        let at = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.message.number(9, nanos(at)).number(10, nanos(took));
    }

    /// What is between two samples.
    pub(crate) fn period(&mut self, kind: Kind, period: u64) {
        let kind = self.kind(kind);
        self.message.message(11, &kind).number(12, period);
    }

    /// Which of the kinds is shown where nobody says.
    pub(crate) fn default_kind(&mut self, name: &str) {
        let name = self.string(name);
        self.message.number(14, name);
    }

    /// Something that people should know.
    pub(crate) fn comment(&mut self, text: &str) {
        let text = self.string(text);
        self.message.number(13, text);
    }

    /// Adds a sample: its stack, innermost first, a value for each kind, and labels.
    pub(crate) fn sample(
        &mut self,
        stack: impl IntoIterator<Item = Place>,
        values: &[u64],
        labels: &[(&str, &str)],
        symbols: &Symbols,
    ) {
        let stack: Vec<u64> = stack.into_iter().map(|place| self.place(place, symbols)).collect();
        let mut sample = Message::default();
        sample.numbers(1, stack).numbers(2, values.iter().copied());
        for (key, value) in labels {
            let mut label = Message::default();
            label.number(1, self.string(key)).number(2, self.string(value));
            sample.message(3, &label);
        }
        self.message.message(2, &sample);
    }

    /// All of it, in gzip.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        let Self { mut message, strings, tables, .. } = self;
        let mut ordered: Vec<_> = strings.into_iter().collect();
        ordered.sort_unstable_by_key(|(_, number)| *number);
        for (text, _) in ordered {
            message.bytes(6, text.as_bytes());
        }
        let mut bytes = message.into_bytes();
        bytes.extend(tables.into_bytes());
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        // Memory takes all that is written to it.
        let _ = encoder.write_all(&bytes);
        encoder.finish().unwrap_or_default()
    }

    fn kind(&mut self, (name, unit): Kind) -> Message {
        let mut kind = Message::default();
        kind.number(1, self.string(name)).number(2, self.string(unit));
        kind
    }

    fn string(&mut self, text: &str) -> u64 {
        if let Some(number) = self.strings.get(text) {
            return *number;
        }
        let number = self.strings.len() as u64;
        self.strings.insert(text.to_owned(), number);
        number
    }

    fn place(&mut self, place: Place, symbols: &Symbols) -> u64 {
        if let Some(number) = self.places.get(&place) {
            return *number;
        }
        let mut location = Message::default();
        let number = self.places.len() as u64 + 1;
        location.number(1, number).number(2, 1);
        match &place {
            Place::Code(address) => {
                location.number(3, address.saturating_sub(1) as u64);
                for symbol in symbols.at(*address) {
                    self.line(&mut location, symbol);
                }
            }
            Place::Named(name) => {
                self.line(&mut location, &Symbol { name: name.clone(), ..Symbol::default() });
            }
        }
        self.tables.message(4, &location);
        self.places.insert(place, number);
        number
    }

    fn line(&mut self, location: &mut Message, symbol: &Symbol) {
        let names = (self.string(&symbol.name), self.string(&symbol.file));
        let fresh = self.functions.len() as u64 + 1;
        let function = *self.functions.entry(names).or_insert(fresh);
        if function == fresh {
            let mut message = Message::default();
            // No system's name: who finds that one alike takes it for C++, and cuts it at every `<`.
            message.number(1, function).number(2, names.0).number(4, names.1);
            self.tables.message(5, &message);
        }
        let mut line = Message::default();
        line.number(1, function).number(2, symbol.line.into());
        location.message(4, &line);
    }
}

/// Nanoseconds, as far as they can be told.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What addresses mean.
pub(crate) struct Symbols(HashMap<usize, Vec<Symbol>>);

/// What stands between those who allocate and their memory, and tells nothing.
const MACHINERY: [&str; 8] = [
    "trilane_profile::",
    "<trilane_profile::",
    "profile::",
    "backtrace::",
    "__rustc::",
    "__rust_",
    "alloc::alloc::",
    "<alloc::alloc::",
];

impl Symbols {
    /// Of the addresses of these stacks, each looked up once. Not for a shard: it takes its time.
    pub(crate) fn of<'a>(stacks: impl IntoIterator<Item = &'a [usize]>) -> Self {
        let addresses: HashSet<usize> = stacks.into_iter().flatten().copied().collect();
        Self(trilane_profile::resolve(addresses))
    }

    /// The same, without the way to memory where that was put into those who allocate.
    pub(crate) fn without_machinery(mut self) -> Self {
        for symbols in self.0.values_mut() {
            let last = symbols.iter().rposition(is_machinery);
            if let Some(last) = last.filter(|last| last + 1 < symbols.len()) {
                symbols.drain(..=last);
            }
        }
        self
    }

    /// Whether all there is at an address is the way to memory.
    pub(crate) fn is_machinery(&self, address: usize) -> bool {
        self.at(address).iter().all(is_machinery)
    }

    /// The functions at an address: the innermost of those that were put into each other first.
    pub(crate) fn at(&self, address: usize) -> &[Symbol] {
        self.0.get(&address).map_or(&[], Vec::as_slice)
    }
}

fn is_machinery(symbol: &Symbol) -> bool {
    MACHINERY.iter().any(|prefix| symbol.name.starts_with(prefix))
}
