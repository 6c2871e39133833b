//! Files below a root, read whole on a blocking thread. Nothing outside the root is ever opened, whatever the
//! path says and wherever links lead.

use std::fs;
use std::io;
use std::path::{Component, Path};

use trilane::{Error, StatusCode};

/// The largest file that is served, in bytes.
const LARGEST: u64 = 64 << 20;

/// Reads the file at `path` below `root`: its content type and its content.
///
/// # Errors
/// 404 for what is not a file below the root, 500 for what cannot be read.
pub(super) fn read(root: &Path, path: &str) -> Result<(&'static str, Vec<u8>), Error> {
    let missing = || Error::new(StatusCode::NOT_FOUND).message("no such file");
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    let hidden = path.split('/').any(|part| part.starts_with('.') || part.is_empty());
    if hidden || path.contains('\0') || !Path::new(path).components().all(plain) {
        return Err(missing());
    }
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => missing(),
        _ => Error::new(StatusCode::INTERNAL_SERVER_ERROR).internal(error.to_string()),
    };
    let root = root.canonicalize().map_err(refused)?;
    let file = root.join(path).canonicalize().map_err(refused)?;
    let is_file = file.metadata().is_ok_and(|it| it.is_file() && it.len() <= LARGEST);
    if !file.starts_with(&root) || !is_file {
        return Err(missing());
    }
    Ok((content_type(&file), fs::read(&file).map_err(refused)?))
}

fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("png") => "image/png",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain; charset=utf-8",
        Some("webp") => "image/webp",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_the_root_is_read() {
        let base = std::env::temp_dir().join(format!("trilane-files-{}", std::process::id()));
        let root = base.join("root");
        fs::create_dir_all(root.join("dir")).unwrap();
        fs::write(base.join("secret.txt"), "secret").unwrap();
        fs::write(root.join("dir/a.txt"), "inside").unwrap();
        fs::write(root.join(".hidden"), "hidden").unwrap();
        std::os::unix::fs::symlink(base.join("secret.txt"), root.join("link.txt")).unwrap();
        let status = |path| read(&root, path).err().map(|error| error.status().as_u16());
        assert_eq!(read(&root, "dir/a.txt").unwrap().1, b"inside");
        for path in ["link.txt", "../secret.txt", "dir/../../secret.txt", ".hidden", "dir", "no"] {
            assert_eq!(status(path), Some(404), "{path}");
        }
        for path in ["/etc/passwd", "dir//a.txt", "a\0b", "", "dir/a.txt/b"] {
            assert_eq!(status(path), Some(404), "{path}");
        }
        fs::remove_dir_all(base).unwrap();
    }
}
