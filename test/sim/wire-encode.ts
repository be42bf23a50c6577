import { Double, Fault, faultCode, type Value } from './wire-value.ts'

/** A method's answer as the hub writes it: strings typed, nil, i8 beyond 32 bits (koji/xmlrpcplus.py, ExtendedMarshaller). */
export function encodeResponse(value: Value): string {
  const out = ["<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n"]
  write(value, out)
  out.push('</param>\n</params>\n</methodResponse>\n')
  return out.join('')
}

/** A fault as the hub writes it. */
export function encodeFault(code: number, text: string): string {
  const out = ["<?xml version='1.0'?>\n<methodResponse>\n<fault>\n"]
  write({ faultCode: code, faultString: text }, out)
  out.push('</fault>\n</methodResponse>\n')
  return out.join('')
}

/** A call, for programs that ask a hub. */
export function encodeCall(method: string, params: Value[]): string {
  const out = [
    `<?xml version='1.0'?>\n<methodCall>\n<methodName>${escapeText(method)}</methodName>\n<params>\n`,
  ]
  for (const param of params) {
    out.push('<param>\n')
    write(param, out)
    out.push('</param>\n')
  }
  out.push('</params>\n</methodCall>\n')
  return out.join('')
}

function write(value: Value, out: string[]): void {
  if (value === null || value === undefined) out.push('<value><nil/></value>')
  else if (typeof value === 'string') out.push(`<value><string>${escapeText(value)}</string></value>\n`)
  else if (typeof value === 'boolean') out.push(`<value><boolean>${value ? 1 : 0}</boolean></value>\n`)
  else if (typeof value === 'number' || typeof value === 'bigint') out.push(integer(value))
  else if (value instanceof Double) out.push(`<value><double>${double(value.value)}</double></value>\n`)
  else if (Array.isArray(value)) {
    out.push('<value><array><data>\n')
    for (const item of value) write(item, out)
    out.push('</data></array></value>\n')
  } else {
    out.push('<value><struct>\n')
    for (const key of Object.keys(value)) {
      out.push(`<member>\n<name>${escapeText(key)}</name>\n`)
      write(value[key] as Value, out)
      out.push('</member>\n')
    }
    out.push('</struct></value>\n')
  }
}

function integer(value: number | bigint): string {
  if (typeof value === 'number' && !Number.isInteger(value)) throw new Error(`not an integer: ${value}`)
  const big = BigInt(value)
  if (big < -(2n ** 63n) || big > 2n ** 63n - 1n) {
    throw new Fault(faultCode.other, "<class 'OverflowError'>: int exceeds XML-RPC limits")
  }
  const type = big >= -(2n ** 31n) && big <= 2n ** 31n - 1n ? 'int' : 'i8'
  return `<value><${type}>${big}</${type}></value>\n`
}

/** Python's repr of a float. */
function double(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  const text = String(value)
  return /[.e]/.test(text) ? text : `${text}.0`
}

function escapeText(text: string): string {
  return /[&<>]/.test(text)
    ? text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
    : text
}
