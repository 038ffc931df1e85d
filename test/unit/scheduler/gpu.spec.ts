import assert from 'node:assert/strict'
import fc from 'fast-check'
import { declaredGpus, gpusText, parseGpuRequest } from '../../../scheduler/index.ts'
import { chooseGpus, gpuVariables } from '../../../scheduler/gpu.ts'
import { testGpu } from '../../doubles/peer-directory.ts'

describe('scheduler/gpu', () => {
  it('parseGpuRequest() reads a count, least memory and a vendor', () => {
    assert.deepEqual(parseGpuRequest('1'), { vendor: null, count: 1, memoryBytes: null })
    assert.deepEqual(parseGpuRequest('2'), { vendor: null, count: 2, memoryBytes: null })
    assert.deepEqual(parseGpuRequest('1:24GB'), { vendor: null, count: 1, memoryBytes: 24e9 })
    const nvidia = { vendor: 'nvidia', count: 1, memoryBytes: 24e9 }
    assert.deepEqual(parseGpuRequest('nvidia:1:24GB'), nvidia)
    assert.deepEqual(parseGpuRequest('amd:4'), { vendor: 'amd', count: 4, memoryBytes: null })
  })

  for (const bad of [
    '',
    '0',
    '-1',
    '1.5',
    '65',
    '1:',
    '1:24',
    '1:0GB',
    'NVIDIA:1',
    ':1',
    '1:2GB:3'
  ]) {
    it(`parseGpuRequest() refuses '${bad}' and says what would be right`, () => {
      assert.throws(() => parseGpuRequest(bad), {
        code: 'SCHEDULER_INVALID_SPEC',
        message: /nvidia:1:24GB/
      })
    })
  }

  it('gpusText() names a request in words', () => {
    assert.equal(gpusText(parseGpuRequest('1')), '1 GPU')
    assert.equal(gpusText(parseGpuRequest('nvidia:2:24GB')), '2 nvidia GPUs of 24 GB')
  })

  it('declaredGpus() says of each that it is declared', () => {
    const [first, second] = declaredGpus(parseGpuRequest('2:24GB'))
    assert.equal(first?.isDeclared, true)
    assert.equal(first.vendor, 'unknown')
    assert.equal(second?.index, 1)
  })

  it('chooseGpus() takes the smallest that fit, never two vendors, never fewer than asked', () => {
    const small = testGpu(0, { memoryBytes: 8e9 })
    const large = testGpu(1, { memoryBytes: 80e9 })
    const other = testGpu(2, { vendor: 'amd', vendorIndex: 0, memoryBytes: 8e9 })
    const indexes = (text: string): readonly number[] | undefined =>
      chooseGpus([large, small, other], parseGpuRequest(text))?.map((gpu) => gpu.index)
    assert.deepEqual(indexes('1'), [0])
    assert.deepEqual(indexes('1:24GB'), [1])
    assert.deepEqual(indexes('2'), [0, 1])
    assert.deepEqual(indexes('amd:1'), [2])
    assert.equal(indexes('3'), undefined)
    assert.equal(indexes('amd:1:25GB'), undefined)
  })

  it('chooseGpus() fits no request for memory to a GPU whose memory is unknown', () => {
    const [unknown] = declaredGpus(parseGpuRequest('1'))
    assert.ok(unknown)
    assert.equal(chooseGpus([unknown], parseGpuRequest('1:1GB')), null)
  })

  it('chooseGpus() depends on what is free, not on its order', () => {
    const gpus = fc.uniqueArray(
      fc.record({
        index: fc.nat(20),
        memoryBytes: fc.constantFrom(8e9, 24e9),
        vendor: fc.constantFrom('amd', 'nvidia')
      }),
      { selector: (gpu) => gpu.index, maxLength: 12 }
    )
    fc.assert(
      fc.property(gpus, fc.integer({ min: 1, max: 4 }), (drawn, count) => {
        const free = drawn.map(({ index, ...more }) => testGpu(index, more))
        const request = { vendor: null, count, memoryBytes: null }
        const chosen = chooseGpus(free, request)
        assert.deepEqual(chooseGpus(free.toReversed(), request), chosen)
        if (chosen !== null) {
          assert.equal(chosen.length, count)
          assert.equal(new Set(chosen.map((gpu) => gpu.vendor)).size, 1)
          assert.equal(new Set(chosen.map((gpu) => gpu.index)).size, count)
        }
      })
    )
  })

  it('gpuVariables() sets CUDA_VISIBLE_DEVICES for nvidia only, by the vendor’s own numbers', () => {
    const amd = testGpu(0, { vendor: 'amd', vendorIndex: 0 })
    const nvidia = testGpu(3, { vendorIndex: 1 })
    assert.deepEqual(gpuVariables([]), {})
    assert.deepEqual(gpuVariables([amd]), { WEAVER_GPUS: '0' })
    assert.deepEqual(gpuVariables([nvidia]), { WEAVER_GPUS: '3', CUDA_VISIBLE_DEVICES: '1' })
  })
})
