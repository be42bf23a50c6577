import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { optionsByPath, variableOf } from '../../src/config/environment.ts'
import { exampleFile, optionsHelp } from '../../src/config/example.ts'
import { ConfigFolder, file } from './files.ts'

const folder = new ConfigFolder()
afterAll(() => folder.remove())

describe('the example file', () => {
  const path = join(import.meta.dirname, '..', '..', 'config', 'koji-staging-sync.toml')
  const text = readFileSync(path, 'utf8')

  it('is what the table of options gives (koji-staging-sync options --example)', () => {
    expect(text).toBe(exampleFile())
  })

  it('is accepted, and everything that it does not set has the default', () => {
    const config = folder.load(text)
    const minimal = folder.load(file())
    expect({ ...config, prod: 0, staging: 0 }).toEqual({ ...minimal, prod: 0, staging: 0 })
    expect({ ...config.prod, hub: 0, linkTarget: 0 }).toEqual({ ...minimal.prod, hub: 0, linkTarget: 0 })
    expect({ ...config.staging, database: 0 }).toEqual({ ...minimal.staging, database: 0 })
  })

  it('shows the true defaults: taking every #name line in changes nothing', () => {
    const open = text.replace(/^#(?=[a-z[])/gm, '')
    expect(open).not.toBe(text)
    expect(folder.load(open)).toEqual(folder.load(text))
  })

  it('gives examples that are accepted themselves', () => {
    const open = text.replace(/^#(?=[a-z[])/gm, '').replace(/^# (?=(\w+ = |\[\[))/gm, '')
    const secret = folder.write('x\n', 'password')
    const config = folder.load(open.replace('/etc/koji-staging-sync/database_password', secret))
    expect(config.externalRepoRewrite).toHaveLength(1)
    expect(config.tagRewrite[0]?.extra).toEqual({ 'repo.auto': false })
    expect(config.staging.hub).not.toBeNull()
  })

  it('and the help name every option, its variable and nothing twice', () => {
    const help = optionsHelp()
    const variables = [...optionsByPath().keys()].map(variableOf)
    expect(new Set(variables).size).toBe(variables.length)
    for (const variable of variables) expect(help).toContain(`${variable}\n`)
    for (const name of optionsByPath().keys()) expect(text).toContain(name.split('.').at(-1))
  })
})
