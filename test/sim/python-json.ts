import { safeInteger } from './wire-decode.ts'
import { Double, type Struct, type Value } from './wire-value.ts'

/** json.loads of Python: 1 and 1.0 stay apart, integers keep all digits, NaN and Infinity are numbers. Throws SyntaxError. */
export function parsePythonJson(text: string): Value {
  let at = 0
  const fail = (): never => {
    throw new SyntaxError(`no JSON at ${at}: ${text.slice(at, at + 20)}`)
  }
  const space = () => {
    while (/\s/.test(text[at] ?? 'x')) at++
  }
  const string = (): string => {
    const start = at++
    while (text[at] !== '"') {
      if (at >= text.length) fail()
      at += text[at] === '\\' ? 2 : 1
    }
    at++
    // Python takes control characters only with strict=False; Koji's own rows hold none that JSON.parse refuses.
    return JSON.parse(text.slice(start, at)) as string
  }
  const value = (): Value => {
    space()
    const char = text[at]
    if (char === '"') return string()
    if (char === '{') {
      const struct: Struct = {}
      at++
      space()
      while (text[at] !== '}') {
        space()
        if (text[at] !== '"') fail()
        const key = string()
        space()
        if (text[at++] !== ':') fail()
        struct[key] = value()
        space()
        if (text[at] === ',') at++
        else if (text[at] !== '}') fail()
      }
      at++
      return struct
    }
    if (char === '[') {
      const items: Value[] = []
      at++
      space()
      while (text[at] !== ']') {
        items.push(value())
        space()
        if (text[at] === ',') at++
        else if (text[at] !== ']') fail()
      }
      at++
      return items
    }
    const word = /(?:-?Infinity|NaN|true|false|null|-?\d+(\.\d+)?([eE][-+]?\d+)?)/y
    word.lastIndex = at
    const match = word.exec(text)
    if (!match) return fail()
    at += match[0].length
    if (match[0] === 'true' || match[0] === 'false') return match[0] === 'true'
    if (match[0] === 'null') return null
    const isFloat = match[1] || match[2] || /[IN]/.test(match[0])
    return isFloat ? new Double(Number(match[0])) : safeInteger(BigInt(match[0]))
  }
  const result = value()
  space()
  if (at < text.length) fail()
  return result
}
