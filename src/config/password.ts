import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Secret } from '../model/secret.ts'
import type { Problem } from './problems.ts'

const CREDENTIAL = 'database_password'
const MAX_BYTES = 4096

export interface DatabaseAccess {
  /** The address without a password. */
  readonly url: string
  readonly password: Secret | null
}

/**
 * Takes the database's password from the address, from `file`, or from the systemd credential `database_password`
 * (systemd.exec(5), LoadCredential=: a file below $CREDENTIALS_DIRECTORY). Two of the first two are a problem.
 */
export function readDatabaseAccess(
  url: string,
  file: string | null,
  env: Readonly<Record<string, string | undefined>>,
  problems: Problem[],
): DatabaseAccess {
  const split = splitPassword(url)
  const path = 'staging.database_password_file'
  if (file !== null) {
    if (split.password !== null) {
      problems.push({ path, message: 'stands beside a password in staging.database: one of them must go' })
      return split
    }
    const read = readFirstLine(file)
    if ('problem' in read) {
      problems.push({ path, message: read.problem })
      return split
    }
    return { url: split.url, password: new Secret(read.line) }
  }
  const directory = env.CREDENTIALS_DIRECTORY
  if (split.password !== null || directory === undefined || directory === '') return split
  const read = readFirstLine(join(directory, CREDENTIAL))
  if ('line' in read) return { url: split.url, password: new Secret(read.line) }
  if (!read.absent) problems.push({ path: `credential ${CREDENTIAL}`, message: read.problem })
  return split
}

/** The address of a database without its password, and the password. */
function splitPassword(text: string): DatabaseAccess {
  // A user before an empty host is PostgreSQL's form only.
  const socketForm = text.includes('@/')
  const url = new URL(text.replace('@/', '@placeholder.invalid/'))
  const inQuery = url.searchParams.get('password')
  const encoded = url.password === '' ? null : decodeURIComponent(url.password)
  const password = inQuery ?? encoded
  if (password === null) return { url: text, password: null }
  url.password = ''
  url.searchParams.delete('password')
  const clean = socketForm ? url.href.replace('@placeholder.invalid/', '@/') : url.href
  return { url: clean, password: new Secret(password) }
}

function readFirstLine(file: string): { line: string } | { problem: string; absent: boolean } {
  let text: string
  try {
    text = readFileSync(file, { encoding: 'utf8' })
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown'
    return { problem: `cannot be read: ${file} (${code})`, absent: code === 'ENOENT' }
  }
  const line = text.split(/\r?\n/, 1)[0] ?? ''
  if (line === '' || text.length > MAX_BYTES) {
    return { problem: `must hold the password in its first line: ${file}`, absent: false }
  }
  return { line }
}
