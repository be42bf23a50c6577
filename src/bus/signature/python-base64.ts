import { Refused } from './refused.ts'

const VALUES = alphabet()
const PAD = 0x3d

/**
 * Base64 as Python's `base64.b64decode` reads it (binascii.c `a2b_base64`, not strict): what is outside the alphabet is
 * skipped, also `-` and `_`; padding is demanded, and what follows it is not read. null for what it raises on.
 */
export function decodePythonBase64(text: string): Buffer | null {
  const bytes = Buffer.allocUnsafe(Math.ceil(text.length / 4) * 3)
  let length = 0
  let left = 0
  let quad = 0
  let pads = 0
  let ended = false
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit > 0x7f) return null // anywhere, also behind the end
    if (ended) continue
    if (unit === PAD) {
      if (quad >= 2) {
        pads += 1
        ended = quad + pads >= 4
      }
      continue
    }
    const value = VALUES[unit] as number
    if (value < 0) continue
    pads = 0
    if (quad === 1) bytes[length++] = (left << 2) | (value >> 4)
    else if (quad === 2) bytes[length++] = ((left & 0x0f) << 4) | (value >> 2)
    else if (quad === 3) bytes[length++] = ((left & 0x03) << 6) | value
    left = value
    quad = (quad + 1) & 3
  }
  return ended || quad === 0 ? bytes.subarray(0, length) : null
}

function alphabet(): Int8Array {
  const values = new Int8Array(128).fill(-1)
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  for (let value = 0; value < letters.length; value++) values[letters.charCodeAt(value)] = value
  return values
}

/** The same of a message's member. Throws Refused with `reason`. */
export function decodeMember(text: unknown, reason: 'signature-format' | 'certificate-format'): Buffer {
  const bytes = typeof text === 'string' ? decodePythonBase64(text) : null
  if (bytes === null) throw new Refused(reason)
  return bytes
}
