import { AgainError, asError, KeyError } from '../errors.ts'
import { FileError, type Side } from './errno.ts'

/** An error as it goes from one thread to another, where classes do not. */
export type SentError =
  | {
      readonly kind: 'file'
      readonly side: Side
      readonly verb: string
      readonly path: string
      readonly errno: string
    }
  | {
      readonly kind: 'key' | 'again'
      readonly code: string
      readonly message: string
      readonly detail: Readonly<Record<string, unknown>>
    }
  | { readonly kind: 'other'; readonly message: string; readonly stack: string | undefined }

export function sendError(thrown: unknown): SentError {
  if (thrown instanceof FileError) {
    const { side, verb, path, errno } = thrown
    return { kind: 'file', side, verb, path, errno }
  }
  if (thrown instanceof KeyError || thrown instanceof AgainError) {
    const { code, message, detail } = thrown
    return { kind: thrown instanceof KeyError ? 'key' : 'again', code, message, detail }
  }
  const { message, stack } = asError(thrown)
  return { kind: 'other', message, stack }
}

export function receiveError(sent: SentError): Error {
  if (sent.kind === 'file') return new FileError(sent.side, sent.verb, sent.path, sent.errno, undefined)
  if (sent.kind === 'other')
    return Object.assign(new Error(sent.message), sent.stack === undefined ? {} : { stack: sent.stack })
  const options = { detail: sent.detail }
  return sent.kind === 'key'
    ? new KeyError(sent.code, sent.message, options)
    : new AgainError(sent.code, sent.message, options)
}
