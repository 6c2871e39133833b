//! The page for operators in Chromium, the browser that we did not write: it is driven by its DevTools protocol over a pipe. Without
//! Chromium this says so, loudly, and passes; with `CI=true` in the environment it fails.

use std::io::{BufRead, BufReader, Write, stderr};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::super::parity::{Ask, House, LANES, eventually};
use super::admin::Operators;

/// A browser with one page.
struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    number: u64,
    session: Option<Value>,
    /// What the page complained of.
    errors: Vec<Value>,
}

impl Browser {
    /// With that page; `None` without Chromium.
    fn at(url: &str) -> Option<Self> {
        let name = format!("trilane-it-{}-dashboard", std::process::id());
        let profile = std::env::temp_dir().join(name);
        let mut command = Command::new("sh");
        // It reads from descriptor 3 and writes to 4.
        command.args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null", "chromium"]);
        command.args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ]);
        command.args(["--no-first-run", "--remote-debugging-pipe", "about:blank"]);
        command.arg(format!("--user-data-dir={}", profile.display()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let is_there = Command::new("chromium").arg("--version").output().is_ok();
        if !is_there {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "no Chromium on this machine");
            // Not by `eprintln!`, which the test harness would keep to itself.
            stderr().write_all(b"\nskipped: NO CHROMIUM ON THIS MACHINE\n\n").unwrap();
            return None;
        }
        let mut child = command.spawn().unwrap();
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (from, errors) = (BufReader::new(from), Vec::new());
        let mut browser = Self { child, to, from, number: 0, session: None, errors };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        browser.session = Some(browser.call("Target.attachToTarget", attach)["sessionId"].clone());
        for domain in ["Runtime.enable", "Log.enable", "Page.enable"] {
            browser.call(domain, json!({}));
        }
        browser.call("Page.navigate", json!({ "url": url }));
        Some(browser)
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.number += 1;
        let mut message = json!({ "id": self.number, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = session.clone();
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let mut bytes = Vec::new();
            assert_ne!(self.from.read_until(0, &mut bytes).unwrap(), 0, "Chromium is gone");
            bytes.pop();
            let mut answer: Value = serde_json::from_slice(&bytes).unwrap();
            if answer["id"] == self.number {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].take();
            }
            let is_error = answer["method"] == "Runtime.exceptionThrown"
                || answer["method"] == "Log.entryAdded"
                    && answer["params"]["entry"]["level"] == "error";
            if is_error {
                self.errors.push(answer);
            }
        }
    }

    /// What a script gives.
    fn script(&mut self, script: &str) -> Value {
        let parameters = json!({ "expression": script, "returnByValue": true });
        self.call("Runtime.evaluate", parameters)["result"]["value"].take()
    }

    /// As a window of that many pixels.
    fn size(&mut self, width: u32) {
        let parameters =
            json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", parameters);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It fails only when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn chromium_shows_the_page_for_operators() {
    let house = House::new(|_| {});
    let operators = Operators::of(&house);
    let mut clients: Vec<_> = [LANES[0], LANES[3]].map(|lane| lane.open(&house)).into();
    for client in &mut clients {
        client.ask(&Ask::get("/plaintext")).status(200);
    }
    let Some(mut browser) = Browser::at(&operators.url()) else { return };
    let text = |id: &str| format!("document.getElementById('{id}').textContent");
    for width in [1280, 400] {
        browser.size(width);
        eventually("numbers come", || browser.script(&text("t-connections")) == "2");
        assert_eq!(browser.script(&text("state-text")), "serving");
        let rows = |id: &str| format!("document.querySelectorAll('#{id} tbody tr').length");
        eventually("tables come", || browser.script(&rows("connections")) == 2);
        assert_eq!(browser.script(&rows("shards")), 2);
        // Something is drawn on every chart, and nothing reaches beyond the window.
        let drawn = "[...document.querySelectorAll('canvas')].filter((it) => it.width > 100 \
             && it.getContext('2d').getImageData(0, 0, it.width, it.height).data.some((byte) => byte)).length";
        assert_eq!(browser.script(drawn), 8, "{width}");
        let over = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.script(over), 0, "{width}");
    }
    // What can be done is done from the page, too.
    browser.script("document.querySelector('#connections button').click()");
    eventually("it is closed", || {
        browser.script(&text("closes-note")).as_str().is_some_and(|it| it.contains("operator 1"))
    });
    assert!(browser.errors.is_empty(), "{:?}", browser.errors);
}
