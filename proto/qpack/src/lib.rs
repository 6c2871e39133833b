//! QPACK (RFC 9204), on the integers and the Huffman code of `trilane-hpack`.
#![forbid(unsafe_code)]
