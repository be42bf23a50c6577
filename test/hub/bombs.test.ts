import { once } from 'node:events'
import { afterAll, describe, expect, it } from 'vitest'
import { getPackage, listAllPackages } from '../../src/hub/calls-lookup.ts'
import { XmlRpcHub } from '../../src/hub/xml-rpc-hub.ts'
import type { Value } from '../../src/model/value.ts'
import { liveBytes } from '../support/live-bytes.ts'
import { PATIENCE_MS } from '../support/patience.ts'
import { TestHub } from './server.ts'

describe('a client that is sent a bomb', () => {
  const closers: (() => Promise<void>)[] = []
  afterAll(async () => {
    for (const close of closers) await close()
  })
  const levels = Array.from({ length: 12 }, (_, n) => `<!ENTITY e${n + 1} "${`&e${n};`.repeat(10)}">`).join(
    '',
  )
  const deep = '<value><array><data>'.repeat(1_000_000)

  it.each([
    [
      'entities that grow',
      [
        `<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e0 "x">${levels}]><methodResponse><params><param><value>&e12;`,
      ],
    ],
    [
      'entities of files',
      ['<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><methodResponse><params><param><value>&e;'],
    ],
    ['a million levels', ['<methodResponse><params><param>', deep]],
  ])('of %s refuses it without holding it, and goes on', async (_, pieces) => {
    const server = await TestHub.create((method, params) =>
      method === 'getPackage' ? { id: params[0] as Value, name: 'p' } : 1,
    )
    const hub = new XmlRpcHub({
      url: server.url,
      requestsPerSecond: 1_000,
      concurrency: 2,
      timeoutMs: PATIENCE_MS,
      retryDelaysMs: [],
    })
    closers.push(
      () => hub.destroy(),
      () => server.destroy(),
    )
    await hub.read([getPackage(1)], { priority: 'live' })
    server.intercept = async ({ method }, response) => {
      if (method !== 'listPackages') return false
      response.setHeader('content-type', 'text/xml')
      const gone = once(response, 'close')
      for (const piece of pieces) {
        if (response.destroyed) break
        if (!response.write(piece)) await Promise.race([once(response, 'drain'), gone])
      }
      response.end()
      return true
    }
    const before = liveBytes()
    await expect(hub.read([listAllPackages()], { priority: 'live' })).rejects.toMatchObject({
      code: expect.stringMatching(/^HUB_[A-Z_]+$/),
    })
    expect(liveBytes() - before).toBeLessThan(64 * 2 ** 20)
    expect(await hub.read([getPackage(7)], { priority: 'live' })).toEqual([{ id: 7, name: 'p' }])
  })
})
