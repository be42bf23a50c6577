/** For a phone first, light and dark; nothing is fetched. */
export const STYLE = `
:root{color-scheme:light dark;--fg:#1b1f24;--bg:#f6f8fa;--card:#fff;--mute:#57606a;--line:#d0d7de;--good:#1a7f37;--busy:#9a6700;--bad:#cf222e;--bar:#54aeff;--thin:#0969da;--came:#8250df;--other:#fff8c5}
@media(prefers-color-scheme:dark){:root{--fg:#e6edf3;--bg:#010409;--card:#0d1117;--mute:#8d96a0;--line:#30363d;--good:#3fb950;--busy:#d29922;--bad:#f85149;--bar:#1f6feb;--thin:#79c0ff;--came:#d2a8ff;--other:#272115}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:76rem;padding:1rem;font:16px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;color:var(--fg);background:var(--bg);overflow-wrap:anywhere}
header p{margin:0 0 .5rem}
h1{font-size:1.7rem;line-height:1.2;margin:0}h2{font-size:1rem;margin:0 0 .5rem}h3{font-size:.9rem;margin:.75rem 0 .25rem}
.verdict{border:1px solid var(--line);border-left:.5rem solid;border-radius:.4rem;background:var(--card);padding:.75rem 1rem;margin:0 0 1rem}
.verdict p{margin:.15rem 0 0}
.verdict ul{margin:.5rem 0 0;font-size:.85rem;color:var(--mute)}.verdict li{border:0;padding:.1rem 0}
.good{border-left-color:var(--good)}.good h1,.pass{color:var(--good)}
.busy{border-left-color:var(--busy)}.busy h1{color:var(--busy)}
.bad{border-left-color:var(--bad)}.bad h1,.fail{color:var(--bad)}
.fail{font-weight:600}
main{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));gap:1rem;align-items:start}
section,dl{border:1px solid var(--line);border-radius:.4rem;background:var(--card);padding:.75rem 1rem;margin:0;min-width:0}
.column{display:grid;gap:1rem;min-width:0}
dl,.wide{grid-column:1/-1}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(45%,9.5rem),1fr));gap:.75rem 1.25rem}
dt{color:var(--mute);font-size:.8rem}dd small{font-weight:400}dd{margin:0;font-size:1.1rem;font-weight:600;font-variant-numeric:tabular-nums}
ul{list-style:none;margin:0;padding:0}li{padding:.35rem 0;border-top:1px solid var(--line)}li:first-child{border-top:0}
small,.mute,footer{color:var(--mute);font-size:.85rem}p.mute{margin:.25rem 0}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace}
table{border-collapse:collapse;width:100%;font-size:.85rem;margin:.4rem 0;table-layout:fixed}
th,td{text-align:left;vertical-align:top;padding:.25rem .5rem;border:1px solid var(--line);font-weight:400}
td{font-family:ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace;white-space:pre-wrap}
th{color:var(--mute)}.other td{background:var(--other)}.same td{color:var(--mute)}
.numbers{table-layout:auto}.numbers th,.numbers td{white-space:nowrap;overflow-wrap:normal}.numbers td{text-align:right}
.sides th:first-child{width:9rem}li p{margin:.15rem 0}dd a{color:inherit}
summary{cursor:pointer}
svg{display:block;width:100%;height:auto;font:10.5px system-ui,sans-serif}svg text{fill:var(--mute)}svg line{stroke:var(--line);stroke-width:.5}
svg .bar{fill:var(--bar)}svg .thin{fill:var(--thin)}svg .came{fill:var(--came)}
.key{display:inline-block;width:.7rem;height:.7rem;border-radius:.1rem}.key.came{background:var(--came)}.key.applied{background:var(--bar)}.key.thin{background:var(--thin)}
footer{margin-top:1rem}footer a{margin-right:.75rem;color:inherit}
@media(max-width:36rem){body{padding:.75rem .5rem}section,dl,.verdict{padding:.6rem .7rem}dl{grid-template-columns:repeat(3,1fr);gap:.5rem .75rem}dt{font-size:.75rem}dd{font-size:1rem}th,td{padding:.2rem .3rem}table{font-size:.75rem}.sides th:first-child{width:5.5rem}}
`
