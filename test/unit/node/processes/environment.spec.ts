import assert from 'node:assert/strict'
import { pid } from '../../../../core/index.ts'
import {
  childEnvironment,
  formatLeash,
  isSameLeash,
  parseLeash
} from '../../../../node/processes/environment.ts'

const leash = { home: 'ab12', boot: 'cd34', pid: pid(7) }

describe('childEnvironment', () => {
  it('takes a list of variables from the kernel, and no others', () => {
    const own = {
      PATH: '/bin',
      HOME: '/home/u',
      LANG: 'C',
      LC_ALL: 'C.UTF-8',
      TZ: 'UTC',
      USER: undefined,
      API_KEY: 'secret',
      WEAVER_HOME: '/home/u/.weaver',
      NODE_OPTIONS: '--inspect'
    }
    assert.deepEqual(childEnvironment(own, {}, leash), {
      PATH: '/bin',
      HOME: '/home/u',
      LANG: 'C',
      LC_ALL: 'C.UTF-8',
      TZ: 'UTC',
      WEAVER_LEASH: 'ab12:cd34:7'
    })
  })

  it('lets what was given win, but not over the leash', () => {
    const given = { PATH: '/opt/bin', TASK: '1', WEAVER_LEASH: 'free' }
    assert.deepEqual(childEnvironment({ PATH: '/bin' }, given, leash), {
      PATH: '/opt/bin',
      TASK: '1',
      WEAVER_LEASH: 'ab12:cd34:7'
    })
  })

  it('has a PATH in any case', () => {
    assert.equal(childEnvironment({}, {}, leash)['PATH'], '/usr/local/bin:/usr/bin:/bin')
  })
})

describe('a leash', () => {
  it('is read as it was written', () => {
    assert.deepEqual(parseLeash(formatLeash(leash)), leash)
    assert.ok(isSameLeash(leash, { ...leash }))
    assert.ok(!isSameLeash(leash, { ...leash, pid: pid(8) }))
    assert.ok(!isSameLeash(leash, { ...leash, boot: 'cd35' }))
    assert.ok(!isSameLeash(leash, { ...leash, home: 'ab13' }))
  })

  it('is nothing when anybody else wrote it', () => {
    for (const text of ['', 'ab12:cd34', 'ab12:cd34:0', 'ab12:cd34:07', 'X:cd34:7', 'a:b:7:8']) {
      assert.equal(parseLeash(text), null, text)
    }
    assert.equal(parseLeash(`a:b:${'9'.repeat(30)}`), null)
  })
})
