/** The one style sheet and the icon: served under names that change with their content. */
export const STYLE = `:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--paper:#fff;--panel:#f6f8fa;--line:#d0d7de;--accent:#0550ae;--on-accent:#fff;--bad:#a40e26;--bad-paper:#fff1f0;--good:#116329;--good-paper:#effbf1}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9da7b1;--paper:#0d1117;--panel:#161b22;--line:#3d444d;--accent:#79b8ff;--on-accent:#0d1117;--bad:#ff9a94;--bad-paper:#2b1214;--good:#7ee08f;--good-paper:#0f2417}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.55 system-ui,sans-serif;overflow-wrap:anywhere}
a{color:var(--accent);text-underline-offset:.15em}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:2px}
main:focus{outline:0}
.skip{position:absolute;left:-99rem}
.skip:focus{left:.5rem;top:.5rem;background:var(--paper);padding:.5rem}
.bar{background:var(--panel);border-bottom:1px solid var(--line)}
.bar nav,main{max-width:44rem;margin:0 auto;padding:.75rem 1rem}
.bar nav{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;align-items:center}
.brand{font-weight:700;margin-right:auto}
.bar a{color:inherit;text-decoration:none;padding:.35rem 0}
.bar a:hover{text-decoration:underline}
.bar a[aria-current]{text-decoration:underline;text-decoration-thickness:2px}
h1{font-size:1.6rem;line-height:1.25;margin:1rem 0}
.short{display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:3;overflow:hidden}
.posts{list-style:none;margin:0;padding:0}
.posts li{display:flex;flex-wrap:wrap;gap:0 1rem;align-items:baseline;padding:.9rem 0;border-bottom:1px solid var(--line)}
.posts h2{flex:1 1 100%;font-size:1.15rem;line-height:1.3;margin:0}
.posts h2+*{flex:1}
.posts h2 a{display:block;padding:.2rem 0}
.posts .edit,main>p a,.ways a,.errors a{display:inline-block;padding:.2rem 0}
.ways{display:flex;flex-wrap:wrap;gap:0 1.25rem;align-items:baseline}
time,.hint{color:var(--soft);font-size:.9rem}
.content{white-space:pre-wrap;margin:1.25rem 0}
h1,.posts a,.content,textarea{unicode-bidi:plaintext;text-align:start}
.pages{display:flex;justify-content:space-between;padding:1rem 0;min-height:3.5rem}
.pages a:only-child.older{margin-left:auto}
.field{margin:1.1rem 0}
label{display:block;font-weight:600;margin-bottom:.3rem}
input,textarea{width:100%;font:inherit;color:inherit;background:var(--paper);border:1px solid var(--soft);border-radius:6px;padding:.55rem .7rem}
textarea{min-height:12rem;max-height:70vh;field-sizing:content;resize:vertical}
[aria-invalid=true]{border:2px solid var(--bad)}
.wrong{color:var(--bad);font-weight:600;margin:.2rem 0 .4rem}
button{font:inherit;font-weight:600;border:1px solid transparent;border-radius:6px;padding:.55rem 1.1rem;background:var(--accent);color:var(--on-accent);cursor:pointer}
button:hover{filter:brightness(1.15)}
button:active{filter:brightness(.9)}
.danger{background:transparent;color:var(--bad);border-color:currentColor}
details{margin-top:2.5rem;border-top:1px solid var(--line);padding-top:1rem}
summary{cursor:pointer;color:var(--bad)}
details form{margin-top:.8rem}
.note,.errors{border:1px solid currentColor;border-left-width:5px;border-radius:6px;padding:.7rem 1rem;margin:1rem 0}
.note{background:var(--good-paper);color:var(--good)}
.errors{background:var(--bad-paper);color:var(--bad)}
.errors h2{font-size:1rem;margin:0}
.errors ul{margin:.3rem 0 0;padding-left:1.2rem}
.errors a{color:inherit}
@media (forced-colors:active){button{border-width:3px}.danger{border-width:1px}}
@media print{.bar,.skip,.edit,.pages,.ways,button,details{display:none}}
`;

export const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#0550ae"/><path d="M4 5h8M4 8h8M4 11h5" stroke="#fff" stroke-width="1.5"/></svg>`;

/** 64 bits of FNV-1a style mixing: names a version in a URL, guards nothing. */
function fingerprint(text: string): string {
  let a = 0x811c9dc5;
  let b = 0x9e3779b9;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x85ebca6b);
  }
  return (a >>> 0).toString(16).padStart(8, '0') + (b >>> 0).toString(16).padStart(8, '0');
}

export const STYLE_PATH = `/assets/style.${fingerprint(STYLE)}.css`;
export const ICON_PATH = `/assets/icon.${fingerprint(ICON)}.svg`;
