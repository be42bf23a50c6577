/** For a phone first, light and dark; nothing is fetched. */
export const STYLE = `
:root{color-scheme:light dark;--fg:#1b1f24;--bg:#fff;--mute:#57606a;--line:#d0d7de;--good:#1a7f37;--busy:#9a6700;--bad:#cf222e;--bar:#0969da}
@media(prefers-color-scheme:dark){:root{--fg:#e6edf3;--bg:#0d1117;--mute:#8d96a0;--line:#30363d;--good:#3fb950;--busy:#d29922;--bad:#f85149;--bar:#4493f8}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:1rem;font:16px/1.45 system-ui,sans-serif;color:var(--fg);background:var(--bg);overflow-wrap:anywhere}
h1{font-size:1rem;margin:0 0 .75rem;color:var(--mute);font-weight:500}
h2{font-size:1.05rem;margin:1.75rem 0 .5rem;border-bottom:1px solid var(--line);padding-bottom:.25rem}
.verdict{border-left:.5rem solid;padding:.5rem .9rem;margin:0}
.verdict b{display:block;font-size:1.7rem;line-height:1.2}
.good{border-color:var(--good)}.good b{color:var(--good)}
.busy{border-color:var(--busy)}.busy b{color:var(--busy)}
.bad{border-color:var(--bad)}.bad b,.fail{color:var(--bad)}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.6rem;margin:0}
dt{color:var(--mute);font-size:.85rem}dd{margin:0;font-size:1.15rem;font-variant-numeric:tabular-nums}
ul{list-style:none;margin:0;padding:0}li{padding:.35rem 0;border-bottom:1px solid var(--line)}
small,.mute{color:var(--mute);font-size:.85rem}
code{font:.9em ui-monospace,monospace}
pre{font:.8rem/1.35 ui-monospace,monospace;white-space:pre-wrap;margin:.25rem 0;padding:.5rem;border:1px solid var(--line);max-height:16rem;overflow:auto}
.sides{display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:.5rem}
summary{cursor:pointer}
svg{width:100%;height:auto;font:9px system-ui,sans-serif}svg text{fill:var(--mute)}svg line{stroke:var(--line);stroke-width:.5}svg rect{fill:var(--bar)}
`
