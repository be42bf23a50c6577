/** Where a server listens. */
export interface ListenAddress {
  readonly host: string
  /** 0: any free one */
  readonly port: number
}

const FORM = /^(?:(?<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):)?(?<port>[0-9]{1,5})$/

/** What is wrong with `host:port`, `[ipv6]:port`, `port` (loopback) or `off`; null when it is right. */
export function findListenProblem(text: string): string | null {
  if (text === 'off') return null
  const port = FORM.exec(text)?.groups?.port
  if (port === undefined || Number(port) > 65535) {
    return 'must be host:port, [ipv6]:port, a port alone (then on 127.0.0.1) or off'
  }
  return null
}

/** The address of a text without problems; null for `off`. */
export function parseListen(text: string): ListenAddress | null {
  const groups = FORM.exec(text)?.groups
  if (groups === undefined) return null
  const host = groups.host?.replace(/^\[|\]$/g, '')
  return { host: host ?? '127.0.0.1', port: Number(groups.port) }
}
