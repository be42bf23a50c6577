import { describe, expect, it } from 'vitest'
import { inGroups, type Late, lateStatement, runGroup } from '../../src/seed/late.ts'

const PK = 'ALTER TABLE ONLY public.build\n    ADD CONSTRAINT build_pkey PRIMARY KEY (id);'
const UNIQUE = 'ALTER TABLE ONLY public."odd name" ADD CONSTRAINT "a b" UNIQUE (x);'
const INDEX = 'CREATE UNIQUE INDEX i ON public.rpminfo USING btree (name) WHERE (draft IS NOT TRUE);'
const FOREIGN =
  'ALTER TABLE ONLY public.rpminfo\n    ADD CONSTRAINT f FOREIGN KEY (build_id, draft) REFERENCES public.build(id, draft) ON UPDATE CASCADE;'

describe('what of a dump runs when all rows are there', () => {
  it.each([
    [PK, { kind: 'index', tables: ['build'], isExclusive: true }],
    [UNIQUE, { kind: 'index', tables: ['odd name'], isExclusive: true }],
    [INDEX, { kind: 'index', tables: ['rpminfo'], isExclusive: false }],
    [FOREIGN, { kind: 'foreign key', tables: ['rpminfo', 'build'], isExclusive: true }],
    ['COMMENT ON INDEX public.i IS $$x$$;', { kind: 'comment' }],
    ['ALTER TABLE public.build CLUSTER ON build_pkey;', { kind: 'other' }],
  ])('%s', (text, wanted) => {
    expect(lateStatement(text)).toMatchObject(wanted)
  })

  it.each([
    'CREATE TABLE public.t (id integer);',
    "ALTER TABLE ONLY public.t ALTER COLUMN id SET DEFAULT nextval('s');",
    'ALTER SEQUENCE public.s OWNED BY public.t.id;',
    'ALTER TABLE public.t ADD CONSTRAINT c CHECK (x > 1);',
    "COMMENT ON TABLE public.t IS 'x';",
  ])('but not %s', (text) => {
    expect(lateStatement(text)).toBeNull()
  })

  it('comes in groups, the largest tables first, with statistics of all that have rows', () => {
    const all = [PK, INDEX, FOREIGN].map((text) => lateStatement(text) as Late)
    const names = new Map([['rpminfo', 'public.rpminfo']])
    const groups = inGroups(all, { build: 10, rpminfo: 80, task: 0 }, names)
    expect(groups.map((group) => group.map(({ text }) => text))).toEqual([
      [INDEX, PK, 'analyze public.rpminfo', 'analyze build'],
      [FOREIGN],
      [],
    ])
  })

  it('never has two at a time on one table when one of them locks it, and ends at the first error', async () => {
    const late = (tables: string[], isExclusive: boolean, text = ''): Late => ({
      text,
      kind: 'index',
      tables,
      isExclusive,
    })
    const group = [
      late(['a'], true),
      late(['a'], false),
      late(['a'], false),
      late(['b'], true),
      late(['a', 'b'], true),
    ]
    const running = new Set<Late>()
    let most = 0
    await runGroup(group, [1, 2, 3], async (_, one) => {
      for (const other of running) {
        const shared = one.tables.some((table) => other.tables.includes(table))
        expect(shared && (one.isExclusive || other.isExclusive)).toBe(false)
      }
      running.add(one)
      most = Math.max(most, running.size)
      await new Promise(setImmediate)
      running.delete(one)
    })
    expect(most).toBeGreaterThan(1)
    const done: string[] = []
    const failing = [late(['a'], true, 'bad'), late(['a'], true, 'never')]
    await expect(
      runGroup(failing, [1, 2], async (_, { text }) => {
        done.push(text)
        throw new Error('no room')
      }),
    ).rejects.toThrow('no room')
    expect(done).toEqual(['bad'])
  })
})
