import { defineConfig } from 'vitest/config'
import { PATIENCE_MS } from './test/support/patience.ts'

export default defineConfig({
  test: {
    globalSetup: ['test/support/keeper.ts'],
    include: ['test/**/*.test.ts'],
    testTimeout: 3 * PATIENCE_MS,
    hookTimeout: 3 * PATIENCE_MS,
    maxWorkers: 2,
    // Files share the modules that they import: a fifth of the time. Helpers keep nothing between files.
    isolate: false,
    expect: { poll: { timeout: PATIENCE_MS } },
  },
})
