package gbdt

import "math"

// mersenne is the generator MT19937 (Matsumoto and Nishimura 1998, "Mersenne Twister"), which LightGBM takes from the
// C++ library for what it draws in quantised training, with the distributions of GCC's.
type mersenne struct {
	state [624]uint32
	at    int
}

func newMersenne(seed uint32) *mersenne {
	m := &mersenne{at: 624}
	m.state[0] = seed
	for i := 1; i < len(m.state); i++ {
		m.state[i] = 1812433253*(m.state[i-1]^m.state[i-1]>>30) + uint32(i)
	}
	return m
}

func (m *mersenne) bits() uint32 {
	if m.at == len(m.state) {
		m.twist()
	}
	x := m.state[m.at]
	m.at++
	x ^= x >> 11
	x ^= x << 7 & 0x9D2C5680
	x ^= x << 15 & 0xEFC60000
	return x ^ x>>18
}

func (m *mersenne) twist() {
	n := len(m.state)
	for i := range m.state {
		x := m.state[i]&0x80000000 | m.state[(i+1)%n]&0x7FFFFFFF
		m.state[i] = m.state[(i+397)%n] ^ x>>1 ^ x&1*0x9908B0DF
	}
	m.at = 0
}

// float draws from [0, 1) (std::uniform_real_distribution<double>): 64 bits, the lower ones first.
func (m *mersenne) float() float64 {
	low := float64(m.bits())
	v := (low + float64(m.bits())*0x1p32) / 0x1p64
	if v >= 1 {
		return math.Nextafter(1, 0)
	}
	return v
}

// upTo draws from 0…n (std::uniform_int_distribution<int>), as in Lemire 2019, "Fast Random Integer Generation in an
// Interval".
func (m *mersenne) upTo(n int) int {
	size := uint32(n) + 1
	product := uint64(m.bits()) * uint64(size)
	if uint32(product) < size {
		for least := -size % size; uint32(product) < least; {
			product = uint64(m.bits()) * uint64(size)
		}
	}
	return int(product >> 32)
}
