import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { SyncError } from '../errors.ts'
import { compilePattern } from '../model/pattern.ts'
import { findListenProblem } from './listen.ts'

/** The kinds of values that settings have. A check returns what is wrong, as the end of "prod.hub …", or null. */
type Check = (value: string) => string | null

function text(check: Check) {
  return z.string().check((context) => {
    const problem = check(context.value)
    if (problem !== null) context.issues.push({ code: 'custom', message: problem, input: context.value })
  })
}

/** Not empty, no control characters. */
export const plainText = text((value) => {
  if (value.trim() === '') return 'must not be empty'
  return /\p{Cc}/u.test(value) ? 'must not hold control characters' : null
})

export const httpUrl = text((value) => {
  const url = findUrl(value)
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.hostname === '') {
    return 'must be an http:// or https:// address'
  }
  if (url.username !== '' || url.password !== '') {
    return 'must not hold a user or a password: prod is read anonymously'
  }
  return url.hash === '' ? null : 'must not hold a #fragment'
})

/** Where a small file stands: on this host, or on a web server that asks for no password. */
export const fileOrUrl = text((value) => {
  if (isAbsolute(value)) return value.includes('\0') ? 'must not hold a NUL character' : null
  const url = findUrl(value)
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.hostname === '') {
    return 'must be an absolute path or an http:// or https:// address'
  }
  return url.username === '' && url.password === '' ? null : 'must not hold a user or a password'
})

export const databaseUrl = text((value) => {
  // PostgreSQL allows a user without a host before a socket's directory; URL does not.
  const url = findUrl(value.replace('@/', '@localhost/'))
  if (url === null || !['postgresql:', 'postgres:'].includes(url.protocol)) {
    return 'must be a postgresql:// address'
  }
  if (url.pathname.length < 2) return 'must name the database: postgresql://user@host:5432/koji'
  try {
    decodeURIComponent(url.username + url.password + url.pathname)
  } catch {
    return 'has a % that is no percent-encoding (write %25)'
  }
  for (const name of ['options', 'application_name', 'fallback_application_name']) {
    if (url.searchParams.has(name)) return `must not set ${name}: the service sets its own`
  }
  return null
})

/** What a ZeroMQ socket connects to. */
export const endpoint = text((value) => {
  if (/^ipc:\/\/\/./.test(value)) return null
  const match = /^tcp:\/\/(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})$/.exec(value)
  const port = Number(match?.[1] ?? 0)
  if (port >= 1 && port <= 65535) return null
  return 'must be tcp://host:port, as in tcp://hub.fedoraproject.org:9940'
})

export const absolutePath = text((value) => {
  if (value.includes('\0')) return 'must not hold a NUL character'
  return isAbsolute(value) ? null : 'must be an absolute path'
})

/** A path below which files are written or linked: never the root itself. */
export const treePath = text((value) => {
  if (!isAbsolute(value) || value.includes('\0')) return 'must be an absolute path'
  return /^\/+$/.test(value) ? 'must not be the root of the file system' : null
})

export const pattern = text((value) => {
  try {
    compilePattern(value)
    return null
  } catch (error) {
    return error instanceof SyncError ? error.message : 'is not a shell pattern'
  }
})

/** A Koji name that becomes a directory: a volume. */
export const volumeName = text((value) =>
  /^[A-Za-z0-9][A-Za-z0-9._+-]*$/.test(value) ? null : 'must be a volume name: letters, digits, . _ + -',
)

export const arch = text((value) => (/^[A-Za-z0-9_]+$/.test(value) ? null : 'must be an arch, as in x86_64'))

export const sigkey = text((value) =>
  /^[0-9a-f]{8}$/.test(value) ? null : 'must be a signing key as Koji names it: 8 hex digits, lower case',
)

export const fileMode = text((value) =>
  /^0?[0-7]{3}$/.test(value) ? null : 'must be permission bits in octal, as in 0644',
)

export const directoryMode = text((value) =>
  /^[0-2]?[0-7]{3}$/.test(value) ? null : 'must be permission bits of directories in octal, as in 2775',
)

export const topicPrefix = text((value) => {
  if (!/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?$/.test(value)) {
    return 'must be the first words of a topic, as in org.fedoraproject.prod.buildsys.'
  }
  return value.split('.').includes('stg')
    ? "must not be a staging bus: what staging itself announces is not prod's"
    : null
})

export const regularExpression = text((value) => {
  if (value === '') return 'must not be empty'
  try {
    new RegExp(value)
    return null
  } catch (error) {
    return `is not a regular expression: ${(error as Error).message.replace(/^Invalid regular expression: /, '')}`
  }
})

export const listenAddress = text(findListenProblem)

/** A time of day on the clock of the host's zone, or off. */
export const timeOfDay = text((value) =>
  value === 'off' || /^([01][0-9]|2[0-3]):[0-5][0-9]$/.test(value)
    ? null
    : 'must be a time of day from 00:00 to 23:59, or off',
)

/** A whole number with its bounds. */
export function integer(bounds: { min: number; max: number }) {
  return z.int().min(bounds.min).max(bounds.max)
}

/** Seconds, also with a fraction. At most 24 days, which is what a timer of Node can hold. */
export function seconds(bounds: { min: number; max?: number }) {
  return z
    .number()
    .min(bounds.min)
    .max(bounds.max ?? 2_000_000)
}

function findUrl(value: string): URL | null {
  return /\s/.test(value) || !URL.canParse(value) ? null : new URL(value)
}
