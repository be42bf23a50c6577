import { errors } from 'undici'
import { asError, KeyError, OutageError, type SyncError } from '../errors.ts'
import { UndecodableError } from './undecodable.ts'

/**
 * Why a whole request failed, by what helps:
 *
 * | kind         | seen as                                              | what follows                                    |
 * | ------------ | ---------------------------------------------------- | ----------------------------------------------- |
 * | `connection` | refused, reset, TLS, 502-504                         | tried again a few times, then an outage         |
 * | `closed`     | ServerOffline, an HTML page, 4xx                     | an outage at once                               |
 * | `doubtful`   | 500, timeout, a cut body: the hub or one call's work | calls are parted while some of them succeed     |
 * | `answer`     | undecodable, or a fault of the multiCall             | calls are parted until the bad ones are alone   |
 */
export type FailureKind = 'connection' | 'closed' | 'doubtful' | 'answer'

/** A failed request. `error` is what its reads get if it stays so. */
export class RequestFailure extends Error {
  override name = 'RequestFailure'
  readonly kind: FailureKind
  readonly error: SyncError
  constructor(kind: FailureKind, error: SyncError) {
    super(error.message, { cause: error })
    this.kind = kind
    this.error = error
  }
}

function outage(kind: FailureKind, code: string, message: string, cause?: unknown): RequestFailure {
  return new RequestFailure(kind, new OutageError('hub', code, message, { cause }))
}

/** A status or content type that no hub answers with; `opening` is how the body begins. */
export function failureOfPage(status: number, contentType: string, opening: string): RequestFailure {
  const text = opening
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, 200)
  const message = `prod's hub answered ${status} ${contentType || 'without content type'}: ${text || 'nothing'}`
  if (status >= 502 && status <= 504) return outage('connection', 'HUB_HTTP_STATUS', message)
  if (status >= 500) return outage('doubtful', 'HUB_HTTP_STATUS', message)
  return outage('closed', status === 200 ? 'HUB_NOT_XMLRPC' : 'HUB_HTTP_STATUS', message)
}

/**
 * What was thrown while a request was made or its answer was read; `opening` is how the body begins, undefined if not
 * even headers came.
 */
export function failureOf(thrown: unknown, opening: string | undefined): RequestFailure {
  if (thrown instanceof RequestFailure) return thrown
  if (thrown instanceof UndecodableError) return failureOfUndecodable(thrown, opening ?? '')
  const error = asError(thrown)
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name
  const message = `prod's hub: ${error.message} (${code})`
  if (error instanceof errors.ConnectTimeoutError) return outage('connection', 'HUB_TIMEOUT', message, error)
  if (
    error instanceof errors.HeadersTimeoutError ||
    error instanceof errors.BodyTimeoutError ||
    error.name === 'TimeoutError'
  )
    return outage('doubtful', 'HUB_TIMEOUT', message, error)
  if (opening !== undefined)
    return outage('doubtful', 'HUB_ANSWER_CUT', `${message}, in the middle of an answer`, error)
  return outage('connection', 'HUB_UNREACHABLE', message, error)
}

function failureOfUndecodable(error: UndecodableError, opening: string): RequestFailure {
  const begins = opening
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, 200)
  const message = `prod's hub sent ${error.message}; it begins: ${begins || 'nothing'}`
  switch (error.reason) {
    case 'foreign':
      return outage('closed', 'HUB_NOT_XMLRPC', message, error)
    case 'cut':
      return outage('doubtful', 'HUB_ANSWER_CUT', message, error)
    case 'malformed':
      return new RequestFailure('answer', new KeyError('HUB_ANSWER_MALFORMED', message, { cause: error }))
    case 'large':
      return new RequestFailure('answer', new KeyError('HUB_ANSWER_TOO_LARGE', message, { cause: error }))
  }
}
