const OTHER = /&(?!(?:amp|lt|gt|quot|apos);)/
const SHOWN: Readonly<Record<string, string>> = {
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&apos;': "'",
  '&amp;': '&',
}

/** What text stands for; undefined: it has other entities than the five that XML knows by name, or what is none. */
export function shownText(text: string): string | undefined {
  if (!text.includes('&')) return text
  if (OTHER.test(text)) return undefined
  return text.replaceAll(/&[a-z]+;/g, (entity) => SHOWN[entity] as string)
}
