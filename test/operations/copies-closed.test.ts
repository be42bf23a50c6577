import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { createCopies } from '../../src/context/copies.ts'
import { noStep } from '../../src/step.ts'
import { ConfigFolder, file } from '../config/files.ts'
import { makeTrees } from '../storage/trees.ts'

it("connections to prod's package server end with the world that opened them", async () => {
  const folder = new ConfigFolder()
  const trees = makeTrees()
  const server = createServer((_, response) => response.end('<html></html>'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    folder.remove()
    trees.destroy()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const config = folder.load(file())
  const topurl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const closers: (() => Promise<void>)[] = []
  const [copy] = createCopies(
    {
      ...config,
      prod: { ...config.prod, topdir: null, topurl },
      staging: { ...config.staging, topdir: trees.staging },
    },
    noStep,
    () => {},
    (close) => closers.push(close),
  )
  await copy?.probe()
  expect(closers).toHaveLength(1)
  for (const close of closers) await close()
  await expect(copy?.probe()).rejects.toThrow()
})
