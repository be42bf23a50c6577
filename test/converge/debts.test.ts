import { expect, it } from 'vitest'
import { DebtPayer } from '../../src/converge/debts.ts'

it('pays the debts of many commits at once, and at the end what is left', async () => {
  let payments = 0
  const payer = new DebtPayer(async () => {
    payments += 1
  }, 20)
  for (let i = 0; i < 50; i += 1) payer.due()
  await expect.poll(() => payments).toBe(1)
  payer.due()
  await payer.settle()
  expect(payments).toBe(2)
  await payer.settle()
  expect(payments).toBe(2)
})

it('goes on after a payment that failed, never two at a time', async () => {
  const running: number[] = []
  let now = 0
  const payer = new DebtPayer(async () => {
    now += 1
    running.push(now)
    await new Promise((resolve) => setTimeout(resolve, 20))
    now -= 1
    throw new Error('lost a race')
  }, 0)
  payer.due()
  await payer.settle()
  payer.due()
  await payer.settle()
  expect(running).toEqual([1, 1])
})
