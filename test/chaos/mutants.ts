import type { Mutant } from './broken-build.ts'

/** Mistakes in what the nine promises rest on: `npm run chaos -- --mutant all` tells how many runs it takes to notice each. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: 'untag-stays',
    file: 'converge/listing-diff.ts',
    from: 'entry.ours && !wantedIds.has(entry.buildId)',
    to: 'false',
    breaks: 'what prod untagged goes',
  },
  {
    name: 'local-untagged',
    file: 'converge/listing-diff.ts',
    from: 'entry.ours && !wantedIds.has(entry.buildId)',
    to: '!wantedIds.has(entry.buildId)',
    breaks: "staging's own taggings stay",
  },
  {
    name: 'order-lost',
    file: 'converge/listing-diff.ts',
    from: '(last !== undefined && !below(last, now))',
    to: 'false',
    breaks: 'the latest is prod’s',
  },
  {
    name: 'settings-stay',
    file: 'converge/versioned-diff.ts',
    from: 'if (judge.isOurs(row))',
    to: 'if (false)',
    breaks: 'what prod revoked goes',
  },
  {
    name: 'local-settings-go',
    file: 'converge/versioned-diff.ts',
    from: 'if (judge.isOurs(row))',
    to: 'if (true)',
    breaks: "staging's own rows stay",
  },
  {
    name: 'no-intent',
    file: 'staging/placements.ts',
    from: "$7, 'intent')",
    to: "$7, 'placed')",
    breaks: 'a crash between the link and the rows leaves nothing',
  },
  {
    name: 'one-event-more',
    file: 'staging/events.ts',
    from: 'generate_series(1, $1::int) returning id),',
    to: 'generate_series(0, $1::int) returning id),',
    breaks: 'events only for changes',
  },
  {
    name: 'fence-open',
    file: 'queue/settling.ts',
    from: "generation = $3 and wakes = '{}' returning expect_dropped",
    to: "(generation = $3 or true) and wakes = '{}' returning expect_dropped",
    breaks: 'a mark while a key is converged brings another round',
  },
  {
    name: 'token-open',
    file: 'queue/settling.ts',
    from: "token = $2 and generation = $3 and wakes = '{}' returning",
    to: "(token = $2 or true) and generation = $3 and wakes = '{}' returning",
    breaks: 'only who holds the claim writes',
  },
  {
    name: 'files-stay',
    file: 'staging/placements.ts',
    from: 'await work()',
    to: 'void work',
    breaks: 'no file without its row',
  },
  {
    name: 'dependents-stay',
    file: 'converge/build/apply.ts',
    from: "'image_archives',",
    to: '',
    breaks: 'a build that is built anew has new content',
  },
  {
    name: 'debts-forgotten',
    file: 'staging/debt.ts',
    from: 'where d.id in (select id from staging_sync.debt order by id limit 1000',
    to: 'where d.id in (select id from staging_sync.debt order by id limit 0',
    breaks: 'what a commit owes is paid',
  },
]
