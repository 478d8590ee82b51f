; An example: distance, photon energy and ADU scale (data in keV) are nominal.
; Put in those of the experiment, and the positions of its detector.
;
; JUNGFRAU-500K geometry, written by geomlib 0.1.0
; 1 x 512 x 1024 pixels (modules, slow scan, fast scan) of 75 um, 8 panels
;
; x to the left looking along the beam, y up, z along the beam; the beam is at x = y = 0.
; corner_x, corner_y: outer corner of the first pixel of a panel, in pixels;
; fs, ss: step of one pixel along fast and slow scan, in pixels; coffset: z in metres.

photon_energy = 9300  ; eV
clen = 0.12  ; detector distance in metres
adu_per_eV = 0.001

; The axes of the data are frame, slow scan, fast scan.
data = /entry_1/instrument_1/detector_1/data
dim0 = %
dim1 = ss
dim2 = fs
res = 13333.333333333334  ; pixels per metre

; Groups of panels for CrystFEL 0.11 and later:
group_all = p0a0,p0a1,p0a2,p0a3,p0a4,p0a5,p0a6,p0a7

; The same for CrystFEL up to 0.10, and for cfelpyutils:
rigid_group_p0 = p0a0,p0a1,p0a2,p0a3,p0a4,p0a5,p0a6,p0a7

p0a0/min_fs = 0
p0a0/max_fs = 255
p0a0/min_ss = 0
p0a0/max_ss = 255
p0a0/fs = +1.0x +0.0y
p0a0/ss = +0.0x +1.0y
p0a0/corner_x = -515
p0a0/corner_y = -257
p0a0/coffset = 0

p0a1/min_fs = 256
p0a1/max_fs = 511
p0a1/min_ss = 0
p0a1/max_ss = 255
p0a1/fs = +1.0x +0.0y
p0a1/ss = +0.0x +1.0y
p0a1/corner_x = -257
p0a1/corner_y = -257
p0a1/coffset = 0

p0a2/min_fs = 512
p0a2/max_fs = 767
p0a2/min_ss = 0
p0a2/max_ss = 255
p0a2/fs = +1.0x +0.0y
p0a2/ss = +0.0x +1.0y
p0a2/corner_x = 1
p0a2/corner_y = -257
p0a2/coffset = 0

p0a3/min_fs = 768
p0a3/max_fs = 1023
p0a3/min_ss = 0
p0a3/max_ss = 255
p0a3/fs = +1.0x +0.0y
p0a3/ss = +0.0x +1.0y
p0a3/corner_x = 259
p0a3/corner_y = -257
p0a3/coffset = 0

p0a4/min_fs = 0
p0a4/max_fs = 255
p0a4/min_ss = 256
p0a4/max_ss = 511
p0a4/fs = +1.0x +0.0y
p0a4/ss = +0.0x +1.0y
p0a4/corner_x = -515
p0a4/corner_y = 1
p0a4/coffset = 0

p0a5/min_fs = 256
p0a5/max_fs = 511
p0a5/min_ss = 256
p0a5/max_ss = 511
p0a5/fs = +1.0x +0.0y
p0a5/ss = +0.0x +1.0y
p0a5/corner_x = -257
p0a5/corner_y = 1
p0a5/coffset = 0

p0a6/min_fs = 512
p0a6/max_fs = 767
p0a6/min_ss = 256
p0a6/max_ss = 511
p0a6/fs = +1.0x +0.0y
p0a6/ss = +0.0x +1.0y
p0a6/corner_x = 1
p0a6/corner_y = 1
p0a6/coffset = 0

p0a7/min_fs = 768
p0a7/max_fs = 1023
p0a7/min_ss = 256
p0a7/max_ss = 511
p0a7/fs = +1.0x +0.0y
p0a7/ss = +0.0x +1.0y
p0a7/corner_x = 259
p0a7/corner_y = 1
p0a7/coffset = 0

