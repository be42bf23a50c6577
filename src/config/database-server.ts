/** Where a postgresql:// address leads. */
export interface DatabaseServer {
  /** name or address; null: a socket on this host */
  readonly host: string | null
  readonly parameters: URLSearchParams
}

/** Of an address that is one (`databaseUrl`). */
export function findDatabaseServer(text: string): DatabaseServer {
  // A user before an empty host is PostgreSQL's form only.
  const url = new URL(text.replace('@/', '@placeholder.invalid/'))
  const given = url.searchParams.get('host') ?? decodeURIComponent(url.hostname)
  const isSocket = given === '' || given === 'placeholder.invalid' || given.startsWith('/')
  return { host: isSocket ? null : given.replace(/^\[|\]$/g, ''), parameters: url.searchParams }
}
