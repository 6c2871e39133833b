const $ = id => document.getElementById(id);
const short = n => n < 1e4 ? String(Math.round(n)) : n < 1e6 ? (n / 1e3).toFixed(1) + 'k' : n < 1e9 ? (n / 1e6).toFixed(1) + 'M' : (n / 1e9).toFixed(1) + 'G';
const size = n => n < 1024 ? n + ' B' : n < 1048576 ? (n / 1024).toFixed(1) + ' KiB' : n < 1073741824 ? (n / 1048576).toFixed(1) + ' MiB' : (n / 1073741824).toFixed(2) + ' GiB';
let last = null;
async function tick() {
  try {
    const now = performance.now(), s = await (await fetch('/stats', { cache: 'no-store' })).json();
    if (last) $('rate').textContent = short((s.requests - last.requests) / (now - last.now) * 1000);
    last = { now, requests: s.requests };
    $('requests').textContent = short(s.requests); $('open').textContent = short(s.open);
    $('sent').textContent = size(s.sent); $('faults').textContent = short(s.faults);
    const most = Math.max(1, ...s.shards.map(x => x.requests));
    $('shards').innerHTML = s.shards.map((x, i) => `<div class="bar">shard ${i}<div><i></i></div><em>${short(x.requests)}</em></div>`).join('');
    // Not in the markup: a content security policy may forbid styles there.
    $('shards').querySelectorAll('i').forEach((bar, i) => { bar.style.width = 100 * s.shards[i].requests / most + '%'; });
  } catch { $('rate').textContent = 'gone'; }
}
tick(); setInterval(tick, 1000);
