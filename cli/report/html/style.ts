/** The page's only style sheet; its hash is in the page's policy. */
export const LIGHT = `
--paper:#ffffff;--panel:#f6f7f9;--ink:#16191d;--muted:#555d68;--grid:#dfe3e8;--rule:#d5dae1;
--band:#e6eef5;--floor:#c3c9d1;--alert:#b3261e;--link:#0b57b0;--good:#116b3c;--goodback:#e3f4ea;
--warn:#7a4b00;--warnback:#fff3d6;--neutral:#454d57;--neutralback:#e9ecf0;
--s0:#0072b2;--s1:#c65100;--s2:#00805a;--s3:#8a4a86;--s4:#8a6d00;--s5:#2b6f9c;--s6:#a2264b;--s7:#4d4d4d;
--h0:#f3f6fb;--h1:#d7e5f2;--h2:#aecde6;--h3:#79afd6;--h4:#4088bb;--h5:#c9622a;--h6:#8f2410;
--p0:#30618f;--p1:#7fb0d9;--p2:#c98a2b;--p3:#5d8f5a;--p4:#8a5f96;--p5:#9aa1aa;`;
export const DARK = `
--paper:#14171b;--panel:#1c2026;--ink:#e9ecf0;--muted:#a7b0bb;--grid:#2f353d;--rule:#363d46;
--band:#1e2c3a;--floor:#46505c;--alert:#ff8a80;--link:#7db8ff;--good:#7fdca4;--goodback:#16351f;
--warn:#ffce7a;--warnback:#3a2c0d;--neutral:#c3cad3;--neutralback:#2a3038;
--s0:#4fb0f0;--s1:#ff9248;--s2:#3fcf9f;--s3:#d69ad2;--s4:#e0c14a;--s5:#8cc7ee;--s6:#ff8aa5;--s7:#c2c2c2;
--h0:#1d242c;--h1:#233c55;--h2:#2a5780;--h3:#3478ad;--h4:#5ea4d8;--h5:#ef9460;--h6:#ffc3a0;
--p0:#5b93c7;--p1:#a5cdec;--p2:#e3ab54;--p3:#86bb82;--p4:#b98bc6;--p5:#7c8590;`;

export const STYLE = `
:root{color-scheme:light dark;${LIGHT}}
@media (prefers-color-scheme:dark){:root{${DARK}}}
:root[data-theme=light]{color-scheme:light;${LIGHT}}
:root[data-theme=dark]{color-scheme:dark;${DARK}}
*{box-sizing:border-box}
html{scroll-padding-top:1rem}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
a{color:var(--link)}
main,header,footer{max-width:1320px;margin-inline:auto;padding-inline:clamp(1rem,3vw,2rem)}
header{padding-block:1.5rem .25rem}
.top{display:flex;justify-content:space-between;align-items:baseline;gap:1rem;flex-wrap:wrap}
.brand{font-weight:700;letter-spacing:.02em;color:var(--muted);margin:0}
.tools{display:flex;gap:.5rem;flex-wrap:wrap}
button{font:inherit;font-size:.875rem;color:var(--ink);background:var(--panel);border:1px solid var(--rule);border-radius:6px;padding:.25rem .7rem;cursor:pointer}
button:hover{border-color:var(--muted)}
button[aria-pressed=true]{border-color:var(--ink);font-weight:600}
:focus-visible{outline:3px solid var(--link);outline-offset:2px;border-radius:4px}
h1{font-size:clamp(1.35rem,1.1rem + 1.3vw,2rem);line-height:1.2;margin:.4rem 0 .3rem;text-wrap:balance;overflow-wrap:anywhere}
h2{font-size:1.3rem;margin:2.6rem 0 .8rem;padding-top:.6rem;border-top:2px solid var(--rule)}
h3{font-size:1.02rem;margin:0 0 .15rem;overflow-wrap:anywhere}
.facts{color:var(--muted);margin:0;font-size:.92rem;overflow-wrap:anywhere}
.banner{background:var(--warnback);color:var(--warn);border-left:5px solid currentColor;padding:.5rem .9rem;margin:.6rem 0;border-radius:0 6px 6px 0;font-weight:600;overflow-wrap:anywhere}
.answers{display:grid;grid-template-columns:minmax(0,1.65fr) minmax(0,1fr);gap:1rem 2rem;margin-top:.9rem}
.answers h2{border:0;padding:0;margin:.1rem 0 .5rem;font-size:1.1rem}
.answers h3{margin-top:.9rem;color:var(--muted);font-weight:600}
.claims{list-style:none;margin:0;padding:0}
.claims li{display:grid;grid-template-columns:7.2rem 1fr;gap:.7rem;padding:.36rem 0;border-bottom:1px solid var(--grid);align-items:baseline}
.claims.measured li{grid-template-columns:15rem 1fr}
.claims span:last-child{overflow-wrap:anywhere}
.chip{font-size:.78rem;font-weight:600;border-radius:99px;padding:.1rem .6rem;text-align:center;white-space:nowrap;background:var(--neutralback);color:var(--neutral)}
.chip.difference{background:var(--warnback);color:var(--warn)}
.chip.none{background:var(--goodback);color:var(--good)}
aside{background:var(--panel);border-radius:10px;padding:.9rem 1.1rem;font-size:.92rem;align-self:start}
aside p,aside ul{margin:.1rem 0 .8rem}
aside ul,section>ul{padding-left:1.1rem}
aside dl{display:grid;grid-template-columns:1fr auto;gap:.1rem .8rem;margin:.2rem 0 .6rem}
aside dd{margin:0;text-align:right;font-variant-numeric:tabular-nums}
li{overflow-wrap:anywhere}
nav{margin-top:1.2rem;display:flex;gap:.3rem 1.2rem;flex-wrap:wrap;font-size:.92rem}
.figures{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:1.6rem 2rem}
figure{margin:0;min-width:0;break-inside:avoid}
figure.wide{grid-column:1/-1}
figure .source{overflow-wrap:anywhere}
figcaption p{margin:0 0 .35rem;color:var(--muted);font-size:.875rem}
.picture{overflow-x:auto}
.picture svg{display:block;width:100%;height:auto;font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
.half .picture svg{max-width:680px}
.legend{list-style:none;margin:.1rem 0 .3rem;padding:0;display:flex;flex-wrap:wrap;gap:.1rem 1rem;font-size:.85rem}
.legend i{display:inline-block;width:1.5em;height:0;border-top:3px solid;vertical-align:middle;margin-right:.4em}
.legend i.dashed{border-top-style:dashed}
.legend i.phase,.legend i.heat{width:.85em;height:.85em;border:0;border-radius:2px}
${[0, 1, 2, 3, 4, 5, 6, 7].map((i) => `.legend i.s${i}{border-color:var(--s${i})}`).join('')}
${[0, 1, 2, 3, 4, 5, 6].map((i) => `.legend i.h${i}{background:var(--h${i});outline:1px solid var(--grid)}`).join('')}
${[0, 1, 2, 3, 4, 5].map((i) => `.legend i.p${i}{background:var(--p${i})}`).join('')}
.missing{color:var(--muted);background:var(--panel);padding:1rem;border-radius:8px}
details{margin:.35rem 0}
summary{cursor:pointer;color:var(--muted);font-size:.9rem;width:fit-content}
.source{font-size:.85rem;color:var(--muted);margin:.3rem 0}
.scroll{overflow-x:auto;margin:.4rem 0}
details .scroll{max-height:32rem;overflow-y:auto}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums;min-width:min(100%,24rem)}
caption{text-align:left;color:var(--muted);font-size:.85rem;padding:.2rem 0}
th,td{padding:.28rem .8rem .28rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--grid)}
thead th{position:sticky;top:0;background:var(--paper);border-bottom:2px solid var(--rule);white-space:nowrap}
tbody th{font-weight:500}
td.n,th.n{text-align:right;white-space:nowrap}
td.best{color:var(--good);font-weight:700}
tr.primary th{font-weight:700}
code{font:.88em ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
footer{color:var(--muted);font-size:.875rem;padding-block:2rem 3rem}
.js-only{display:none}
.js .js-only{display:flex}
${[0, 1, 2, 3, 4, 5, 6, 7]
  .map(
    (i) =>
      `:root[data-focus]:not([data-focus="${i}"]) .picture :is([stroke="var(--s${i})"],[fill="var(--s${i})"]){opacity:.12}`,
  )
  .join('\n')}
@media (max-width:900px){
.answers,.figures{grid-template-columns:minmax(0,1fr)}
.claims li{grid-template-columns:1fr;gap:.15rem}
.chip{justify-self:start}
.picture,.scroll{background:linear-gradient(90deg,var(--paper) 35%,transparent) 0 0/3rem 100% no-repeat local,linear-gradient(270deg,var(--paper) 35%,transparent) 100% 0/3rem 100% no-repeat local,linear-gradient(90deg,var(--floor),transparent) 0 0/.7rem 100% no-repeat scroll,linear-gradient(270deg,var(--floor),transparent) 100% 0/.7rem 100% no-repeat scroll}
.half .picture svg{min-width:520px}
.wide .picture svg{min-width:900px}
}
@media print{
:root,:root[data-theme]{color-scheme:light;${LIGHT}}
body{font-size:10pt}
.tools,nav,.js .js-only{display:none}
h2{break-after:avoid}
section{break-before:auto}
.scroll{overflow:visible;max-height:none}
.picture{overflow:visible}
.picture,.scroll{background:none}
a{color:inherit;text-decoration:none}
.figures{gap:.8rem 1.2rem}
.half .picture svg,.wide .picture svg{min-width:0}
thead th{position:static}
}
`;

/**
 * Better with JavaScript: theme by hand, one target brought forward in all pictures, all tables
 * opened at once. Nothing depends on it.
 */
export const SCRIPT = `
(function(){
var root=document.documentElement;root.classList.add('js');
function stored(v){try{if(v===undefined)return localStorage.getItem('scratchpad-theme');if(v)localStorage.setItem('scratchpad-theme',v);else localStorage.removeItem('scratchpad-theme')}catch(e){return null}}
var theme=stored();if(theme==='light'||theme==='dark')root.dataset.theme=theme;
function dark(){return root.dataset.theme?root.dataset.theme==='dark':matchMedia('(prefers-color-scheme: dark)').matches}
var toggle=document.getElementById('theme');
function name(){if(toggle)toggle.textContent=dark()?'Light':'Dark'}
if(toggle){name();toggle.addEventListener('click',function(){root.dataset.theme=dark()?'light':'dark';stored(root.dataset.theme);name()})}
var tables=document.getElementById('tables');
if(tables)tables.addEventListener('click',function(){var all=[].slice.call(document.querySelectorAll('details'));var open=all.some(function(d){return !d.open});all.forEach(function(d){d.open=open});tables.setAttribute('aria-pressed',String(open))});
var buttons=[].slice.call(document.querySelectorAll('button[data-series]'));
buttons.forEach(function(b){b.addEventListener('click',function(){var on=b.getAttribute('aria-pressed')==='true';buttons.forEach(function(o){o.setAttribute('aria-pressed','false')});if(on){delete root.dataset.focus}else{b.setAttribute('aria-pressed','true');root.dataset.focus=b.dataset.series}})});
addEventListener('beforeprint',function(){delete root.dataset.focus});
})();
`;
