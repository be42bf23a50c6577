import type { IncomingMessage } from 'node:http'

const CREDENTIALS = /session|cookie|authorization|krb|token|callnum/i

/**
 * A reader did what it must never do: called a method that is not one of the read methods, or showed who it is. It fails the
 * whole run, whatever the test makes of the hub's answer: nobody handles this rejection, and vitest (as Node itself) ends with
 * an error for it. So no test has to remember to look.
 */
export function trespass(what: string): void {
  void Promise.reject(new Error(`a simulated hub was trespassed on: ${what}`))
}

/** What in a request tells who asks: Koji's session in the query or in headers, cookies, passwords. null: nothing. */
export function credentialsIn({ url = '', headers }: IncomingMessage): string | null {
  const names = [...Object.keys(headers), ...new URL(url, 'http://hub').searchParams.keys()]
  return names.find((name) => CREDENTIALS.test(name)) ?? null
}
