import { printable } from '../model/printable.ts'

const HIDDEN = new Set(['level', 'time', 'msg', 'err'])

/** One JSON log line as a line for people: time, level, message, fields. A line that is no JSON stays as it is. */
export function formatLine(json: string, options: { stacks: boolean }): string {
  let fields: Record<string, unknown>
  try {
    fields = JSON.parse(json) as Record<string, unknown>
  } catch {
    return json
  }
  const time = String(fields.time ?? '').slice(11, 23)
  const level = String(fields.level ?? '').padEnd(5)
  const rest = Object.entries(fields)
    .filter(([name]) => !HIDDEN.has(name))
    .map(
      ([name, value]) =>
        `${name}=${typeof value === 'string' ? quote(value) : printable(JSON.stringify(value))}`,
    )
  const error = fields.err as { code?: string; message?: string; stack?: string } | undefined
  const failed = error === undefined ? [] : [`${error.code ?? 'error'}: ${printable(error.message ?? '')}`]
  const line = [time, level, printable(String(fields.msg ?? '')), ...rest, ...failed].join(' ')
  const stack = options.stacks && error?.stack !== undefined ? `${error.stack}\n` : ''
  return `${line}\n${stack}`
}

function quote(text: string): string {
  return /^[\w./:@+-]+$/.test(text) ? text : printable(JSON.stringify(text))
}
