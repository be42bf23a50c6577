import { maskText } from '../../model/secret.ts'

/** Text that is HTML already. Only `html` makes it. */
export class Html {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

type Part = Html | string | number | null | readonly (Html | string)[]

/** HTML with all that is put into it escaped, and its passwords masked, but for what is Html itself. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  const all = strings.map((text, i) => text + (i < parts.length ? shown(parts[i] ?? null) : ''))
  return new Html(all.join(''))
}

function shown(part: Part): string {
  if (part === null) return ''
  if (part instanceof Html) return part.text
  if (Array.isArray(part)) return part.map((one) => shown(one as Html | string)).join('')
  return escaped(String(part))
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** What came from outside must neither be read as HTML nor change the direction of what stands beside it. */
function escaped(text: string): string {
  return maskText(text)
    .replace(/[&<>"']/g, (char) => ENTITIES[char] ?? char)
    .replace(/(?![\t\n])[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, '\ufffd')
}
