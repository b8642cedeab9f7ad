"""How a report looks."""

STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1d2329; --quiet: #5c6670; --line: #d9dee3; --card: #f5f7f9 }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14181c; --ink: #e4e8ec; --quiet: #9aa5b0; --line: #333b43; --card: #1d2328 }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 1120px; margin: 0 auto; padding: 32px 20px 64px }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0; overflow-wrap: anywhere }
h2 { font-size: 1.15rem; margin: 40px 0 10px }
.facts { color: var(--quiet); margin: 6px 0 0 }
.quiet { color: var(--quiet) }
table { border-collapse: collapse; font-size: .94rem }
th, td { text-align: left; padding: 5px 18px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top }
th { font-weight: 600 }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
td { overflow-wrap: anywhere }
td.number { overflow-wrap: normal }
section { overflow-x: auto }
section > svg { display: block; width: 100%; min-width: 640px; height: auto }
.cards { display: grid; gap: 16px; align-items: start }
.cards { grid-template-columns: repeat(auto-fill, minmax(min(100%, 500px), 1fr)) }
figure { margin: 0; background: var(--card); border-radius: 8px; padding: 10px }
.pair { display: flex; gap: 6px; align-items: flex-start }
.pair img { width: calc(50% - 3px); height: auto; border-radius: 4px }
figcaption { font-size: .86rem; color: var(--quiet); margin-top: 6px; overflow-wrap: anywhere }
figcaption b { color: var(--ink); font-weight: 600 }
"""
