; An example: distance, photon energy and ADU scale (data in keV) are nominal.
; Put in those of the experiment, and the positions of its detector.
;
; JUNGFRAU-4M geometry, written by geomlib 0.1.0
; 8 x 512 x 1024 pixels (modules, slow scan, fast scan) of 75 um, 64 panels
;
; x to the left looking along the beam, y up, z along the beam; the beam is at x = y = 0.
; corner_x, corner_y: outer corner of the first pixel of a panel, in pixels;
; fs, ss: step of one pixel along fast and slow scan, in pixels; coffset: z in metres.

photon_energy = 9300  ; eV
clen = 0.12  ; detector distance in metres
adu_per_eV = 0.001

; The axes of the data are frame, module, slow scan, fast scan.
data = /entry_1/instrument_1/detector_1/data
dim0 = %
dim2 = ss
dim3 = fs
res = 13333.333333333334  ; pixels per metre

; Groups of panels for CrystFEL 0.11 and later:
group_p0 = p0a0,p0a1,p0a2,p0a3,p0a4,p0a5,p0a6,p0a7
group_p1 = p1a0,p1a1,p1a2,p1a3,p1a4,p1a5,p1a6,p1a7
group_p2 = p2a0,p2a1,p2a2,p2a3,p2a4,p2a5,p2a6,p2a7
group_p3 = p3a0,p3a1,p3a2,p3a3,p3a4,p3a5,p3a6,p3a7
group_p4 = p4a0,p4a1,p4a2,p4a3,p4a4,p4a5,p4a6,p4a7
group_p5 = p5a0,p5a1,p5a2,p5a3,p5a4,p5a5,p5a6,p5a7
group_p6 = p6a0,p6a1,p6a2,p6a3,p6a4,p6a5,p6a6,p6a7
group_p7 = p7a0,p7a1,p7a2,p7a3,p7a4,p7a5,p7a6,p7a7
group_all = p0,p1,p2,p3,p4,p5,p6,p7

; The same for CrystFEL up to 0.10, and for cfelpyutils:
rigid_group_p0 = p0a0,p0a1,p0a2,p0a3,p0a4,p0a5,p0a6,p0a7
rigid_group_p1 = p1a0,p1a1,p1a2,p1a3,p1a4,p1a5,p1a6,p1a7
rigid_group_p2 = p2a0,p2a1,p2a2,p2a3,p2a4,p2a5,p2a6,p2a7
rigid_group_p3 = p3a0,p3a1,p3a2,p3a3,p3a4,p3a5,p3a6,p3a7
rigid_group_p4 = p4a0,p4a1,p4a2,p4a3,p4a4,p4a5,p4a6,p4a7
rigid_group_p5 = p5a0,p5a1,p5a2,p5a3,p5a4,p5a5,p5a6,p5a7
rigid_group_p6 = p6a0,p6a1,p6a2,p6a3,p6a4,p6a5,p6a6,p6a7
rigid_group_p7 = p7a0,p7a1,p7a2,p7a3,p7a4,p7a5,p7a6,p7a7
rigid_group_collection_modules = p0,p1,p2,p3,p4,p5,p6,p7

p0a0/dim1 = 0
p0a0/min_fs = 0
p0a0/max_fs = 255
p0a0/min_ss = 0
p0a0/max_ss = 255
p0a0/fs = -1.0x +0.0y
p0a0/ss = +0.0x -1.0y
p0a0/corner_x = 1125
p0a0/corner_y = 1078
p0a0/coffset = 0

p0a1/dim1 = 0
p0a1/min_fs = 256
p0a1/max_fs = 511
p0a1/min_ss = 0
p0a1/max_ss = 255
p0a1/fs = -1.0x +0.0y
p0a1/ss = +0.0x -1.0y
p0a1/corner_x = 867
p0a1/corner_y = 1078
p0a1/coffset = 0

p0a2/dim1 = 0
p0a2/min_fs = 512
p0a2/max_fs = 767
p0a2/min_ss = 0
p0a2/max_ss = 255
p0a2/fs = -1.0x +0.0y
p0a2/ss = +0.0x -1.0y
p0a2/corner_x = 609
p0a2/corner_y = 1078
p0a2/coffset = 0

p0a3/dim1 = 0
p0a3/min_fs = 768
p0a3/max_fs = 1023
p0a3/min_ss = 0
p0a3/max_ss = 255
p0a3/fs = -1.0x +0.0y
p0a3/ss = +0.0x -1.0y
p0a3/corner_x = 351
p0a3/corner_y = 1078
p0a3/coffset = 0

p0a4/dim1 = 0
p0a4/min_fs = 0
p0a4/max_fs = 255
p0a4/min_ss = 256
p0a4/max_ss = 511
p0a4/fs = -1.0x +0.0y
p0a4/ss = +0.0x -1.0y
p0a4/corner_x = 1125
p0a4/corner_y = 820
p0a4/coffset = 0

p0a5/dim1 = 0
p0a5/min_fs = 256
p0a5/max_fs = 511
p0a5/min_ss = 256
p0a5/max_ss = 511
p0a5/fs = -1.0x +0.0y
p0a5/ss = +0.0x -1.0y
p0a5/corner_x = 867
p0a5/corner_y = 820
p0a5/coffset = 0

p0a6/dim1 = 0
p0a6/min_fs = 512
p0a6/max_fs = 767
p0a6/min_ss = 256
p0a6/max_ss = 511
p0a6/fs = -1.0x +0.0y
p0a6/ss = +0.0x -1.0y
p0a6/corner_x = 609
p0a6/corner_y = 820
p0a6/coffset = 0

p0a7/dim1 = 0
p0a7/min_fs = 768
p0a7/max_fs = 1023
p0a7/min_ss = 256
p0a7/max_ss = 511
p0a7/fs = -1.0x +0.0y
p0a7/ss = +0.0x -1.0y
p0a7/corner_x = 351
p0a7/corner_y = 820
p0a7/coffset = 0

p1a0/dim1 = 1
p1a0/min_fs = 0
p1a0/max_fs = 255
p1a0/min_ss = 0
p1a0/max_ss = 255
p1a0/fs = -1.0x +0.0y
p1a0/ss = +0.0x -1.0y
p1a0/corner_x = 1125
p1a0/corner_y = 531
p1a0/coffset = 0

p1a1/dim1 = 1
p1a1/min_fs = 256
p1a1/max_fs = 511
p1a1/min_ss = 0
p1a1/max_ss = 255
p1a1/fs = -1.0x +0.0y
p1a1/ss = +0.0x -1.0y
p1a1/corner_x = 867
p1a1/corner_y = 531
p1a1/coffset = 0

p1a2/dim1 = 1
p1a2/min_fs = 512
p1a2/max_fs = 767
p1a2/min_ss = 0
p1a2/max_ss = 255
p1a2/fs = -1.0x +0.0y
p1a2/ss = +0.0x -1.0y
p1a2/corner_x = 609
p1a2/corner_y = 531
p1a2/coffset = 0

p1a3/dim1 = 1
p1a3/min_fs = 768
p1a3/max_fs = 1023
p1a3/min_ss = 0
p1a3/max_ss = 255
p1a3/fs = -1.0x +0.0y
p1a3/ss = +0.0x -1.0y
p1a3/corner_x = 351
p1a3/corner_y = 531
p1a3/coffset = 0

p1a4/dim1 = 1
p1a4/min_fs = 0
p1a4/max_fs = 255
p1a4/min_ss = 256
p1a4/max_ss = 511
p1a4/fs = -1.0x +0.0y
p1a4/ss = +0.0x -1.0y
p1a4/corner_x = 1125
p1a4/corner_y = 273
p1a4/coffset = 0

p1a5/dim1 = 1
p1a5/min_fs = 256
p1a5/max_fs = 511
p1a5/min_ss = 256
p1a5/max_ss = 511
p1a5/fs = -1.0x +0.0y
p1a5/ss = +0.0x -1.0y
p1a5/corner_x = 867
p1a5/corner_y = 273
p1a5/coffset = 0

p1a6/dim1 = 1
p1a6/min_fs = 512
p1a6/max_fs = 767
p1a6/min_ss = 256
p1a6/max_ss = 511
p1a6/fs = -1.0x +0.0y
p1a6/ss = +0.0x -1.0y
p1a6/corner_x = 609
p1a6/corner_y = 273
p1a6/coffset = 0

p1a7/dim1 = 1
p1a7/min_fs = 768
p1a7/max_fs = 1023
p1a7/min_ss = 256
p1a7/max_ss = 511
p1a7/fs = -1.0x +0.0y
p1a7/ss = +0.0x -1.0y
p1a7/corner_x = 351
p1a7/corner_y = 273
p1a7/coffset = 0

p2a0/dim1 = 2
p2a0/min_fs = 0
p2a0/max_fs = 255
p2a0/min_ss = 0
p2a0/max_ss = 255
p2a0/fs = -1.0x +0.0y
p2a0/ss = +0.0x -1.0y
p2a0/corner_x = 1125
p2a0/corner_y = -16
p2a0/coffset = 0

p2a1/dim1 = 2
p2a1/min_fs = 256
p2a1/max_fs = 511
p2a1/min_ss = 0
p2a1/max_ss = 255
p2a1/fs = -1.0x +0.0y
p2a1/ss = +0.0x -1.0y
p2a1/corner_x = 867
p2a1/corner_y = -16
p2a1/coffset = 0

p2a2/dim1 = 2
p2a2/min_fs = 512
p2a2/max_fs = 767
p2a2/min_ss = 0
p2a2/max_ss = 255
p2a2/fs = -1.0x +0.0y
p2a2/ss = +0.0x -1.0y
p2a2/corner_x = 609
p2a2/corner_y = -16
p2a2/coffset = 0

p2a3/dim1 = 2
p2a3/min_fs = 768
p2a3/max_fs = 1023
p2a3/min_ss = 0
p2a3/max_ss = 255
p2a3/fs = -1.0x +0.0y
p2a3/ss = +0.0x -1.0y
p2a3/corner_x = 351
p2a3/corner_y = -16
p2a3/coffset = 0

p2a4/dim1 = 2
p2a4/min_fs = 0
p2a4/max_fs = 255
p2a4/min_ss = 256
p2a4/max_ss = 511
p2a4/fs = -1.0x +0.0y
p2a4/ss = +0.0x -1.0y
p2a4/corner_x = 1125
p2a4/corner_y = -274
p2a4/coffset = 0

p2a5/dim1 = 2
p2a5/min_fs = 256
p2a5/max_fs = 511
p2a5/min_ss = 256
p2a5/max_ss = 511
p2a5/fs = -1.0x +0.0y
p2a5/ss = +0.0x -1.0y
p2a5/corner_x = 867
p2a5/corner_y = -274
p2a5/coffset = 0

p2a6/dim1 = 2
p2a6/min_fs = 512
p2a6/max_fs = 767
p2a6/min_ss = 256
p2a6/max_ss = 511
p2a6/fs = -1.0x +0.0y
p2a6/ss = +0.0x -1.0y
p2a6/corner_x = 609
p2a6/corner_y = -274
p2a6/coffset = 0

p2a7/dim1 = 2
p2a7/min_fs = 768
p2a7/max_fs = 1023
p2a7/min_ss = 256
p2a7/max_ss = 511
p2a7/fs = -1.0x +0.0y
p2a7/ss = +0.0x -1.0y
p2a7/corner_x = 351
p2a7/corner_y = -274
p2a7/coffset = 0

p3a0/dim1 = 3
p3a0/min_fs = 0
p3a0/max_fs = 255
p3a0/min_ss = 0
p3a0/max_ss = 255
p3a0/fs = -1.0x +0.0y
p3a0/ss = +0.0x -1.0y
p3a0/corner_x = 1125
p3a0/corner_y = -563
p3a0/coffset = 0

p3a1/dim1 = 3
p3a1/min_fs = 256
p3a1/max_fs = 511
p3a1/min_ss = 0
p3a1/max_ss = 255
p3a1/fs = -1.0x +0.0y
p3a1/ss = +0.0x -1.0y
p3a1/corner_x = 867
p3a1/corner_y = -563
p3a1/coffset = 0

p3a2/dim1 = 3
p3a2/min_fs = 512
p3a2/max_fs = 767
p3a2/min_ss = 0
p3a2/max_ss = 255
p3a2/fs = -1.0x +0.0y
p3a2/ss = +0.0x -1.0y
p3a2/corner_x = 609
p3a2/corner_y = -563
p3a2/coffset = 0

p3a3/dim1 = 3
p3a3/min_fs = 768
p3a3/max_fs = 1023
p3a3/min_ss = 0
p3a3/max_ss = 255
p3a3/fs = -1.0x +0.0y
p3a3/ss = +0.0x -1.0y
p3a3/corner_x = 351
p3a3/corner_y = -563
p3a3/coffset = 0

p3a4/dim1 = 3
p3a4/min_fs = 0
p3a4/max_fs = 255
p3a4/min_ss = 256
p3a4/max_ss = 511
p3a4/fs = -1.0x +0.0y
p3a4/ss = +0.0x -1.0y
p3a4/corner_x = 1125
p3a4/corner_y = -821
p3a4/coffset = 0

p3a5/dim1 = 3
p3a5/min_fs = 256
p3a5/max_fs = 511
p3a5/min_ss = 256
p3a5/max_ss = 511
p3a5/fs = -1.0x +0.0y
p3a5/ss = +0.0x -1.0y
p3a5/corner_x = 867
p3a5/corner_y = -821
p3a5/coffset = 0

p3a6/dim1 = 3
p3a6/min_fs = 512
p3a6/max_fs = 767
p3a6/min_ss = 256
p3a6/max_ss = 511
p3a6/fs = -1.0x +0.0y
p3a6/ss = +0.0x -1.0y
p3a6/corner_x = 609
p3a6/corner_y = -821
p3a6/coffset = 0

p3a7/dim1 = 3
p3a7/min_fs = 768
p3a7/max_fs = 1023
p3a7/min_ss = 256
p3a7/max_ss = 511
p3a7/fs = -1.0x +0.0y
p3a7/ss = +0.0x -1.0y
p3a7/corner_x = 351
p3a7/corner_y = -821
p3a7/coffset = 0

p4a0/dim1 = 4
p4a0/min_fs = 0
p4a0/max_fs = 255
p4a0/min_ss = 0
p4a0/max_ss = 255
p4a0/fs = +1.0x +0.0y
p4a0/ss = +0.0x +1.0y
p4a0/corner_x = -1125
p4a0/corner_y = -1078
p4a0/coffset = 0

p4a1/dim1 = 4
p4a1/min_fs = 256
p4a1/max_fs = 511
p4a1/min_ss = 0
p4a1/max_ss = 255
p4a1/fs = +1.0x +0.0y
p4a1/ss = +0.0x +1.0y
p4a1/corner_x = -867
p4a1/corner_y = -1078
p4a1/coffset = 0

p4a2/dim1 = 4
p4a2/min_fs = 512
p4a2/max_fs = 767
p4a2/min_ss = 0
p4a2/max_ss = 255
p4a2/fs = +1.0x +0.0y
p4a2/ss = +0.0x +1.0y
p4a2/corner_x = -609
p4a2/corner_y = -1078
p4a2/coffset = 0

p4a3/dim1 = 4
p4a3/min_fs = 768
p4a3/max_fs = 1023
p4a3/min_ss = 0
p4a3/max_ss = 255
p4a3/fs = +1.0x +0.0y
p4a3/ss = +0.0x +1.0y
p4a3/corner_x = -351
p4a3/corner_y = -1078
p4a3/coffset = 0

p4a4/dim1 = 4
p4a4/min_fs = 0
p4a4/max_fs = 255
p4a4/min_ss = 256
p4a4/max_ss = 511
p4a4/fs = +1.0x +0.0y
p4a4/ss = +0.0x +1.0y
p4a4/corner_x = -1125
p4a4/corner_y = -820
p4a4/coffset = 0

p4a5/dim1 = 4
p4a5/min_fs = 256
p4a5/max_fs = 511
p4a5/min_ss = 256
p4a5/max_ss = 511
p4a5/fs = +1.0x +0.0y
p4a5/ss = +0.0x +1.0y
p4a5/corner_x = -867
p4a5/corner_y = -820
p4a5/coffset = 0

p4a6/dim1 = 4
p4a6/min_fs = 512
p4a6/max_fs = 767
p4a6/min_ss = 256
p4a6/max_ss = 511
p4a6/fs = +1.0x +0.0y
p4a6/ss = +0.0x +1.0y
p4a6/corner_x = -609
p4a6/corner_y = -820
p4a6/coffset = 0

p4a7/dim1 = 4
p4a7/min_fs = 768
p4a7/max_fs = 1023
p4a7/min_ss = 256
p4a7/max_ss = 511
p4a7/fs = +1.0x +0.0y
p4a7/ss = +0.0x +1.0y
p4a7/corner_x = -351
p4a7/corner_y = -820
p4a7/coffset = 0

p5a0/dim1 = 5
p5a0/min_fs = 0
p5a0/max_fs = 255
p5a0/min_ss = 0
p5a0/max_ss = 255
p5a0/fs = +1.0x +0.0y
p5a0/ss = +0.0x +1.0y
p5a0/corner_x = -1125
p5a0/corner_y = -531
p5a0/coffset = 0

p5a1/dim1 = 5
p5a1/min_fs = 256
p5a1/max_fs = 511
p5a1/min_ss = 0
p5a1/max_ss = 255
p5a1/fs = +1.0x +0.0y
p5a1/ss = +0.0x +1.0y
p5a1/corner_x = -867
p5a1/corner_y = -531
p5a1/coffset = 0

p5a2/dim1 = 5
p5a2/min_fs = 512
p5a2/max_fs = 767
p5a2/min_ss = 0
p5a2/max_ss = 255
p5a2/fs = +1.0x +0.0y
p5a2/ss = +0.0x +1.0y
p5a2/corner_x = -609
p5a2/corner_y = -531
p5a2/coffset = 0

p5a3/dim1 = 5
p5a3/min_fs = 768
p5a3/max_fs = 1023
p5a3/min_ss = 0
p5a3/max_ss = 255
p5a3/fs = +1.0x +0.0y
p5a3/ss = +0.0x +1.0y
p5a3/corner_x = -351
p5a3/corner_y = -531
p5a3/coffset = 0

p5a4/dim1 = 5
p5a4/min_fs = 0
p5a4/max_fs = 255
p5a4/min_ss = 256
p5a4/max_ss = 511
p5a4/fs = +1.0x +0.0y
p5a4/ss = +0.0x +1.0y
p5a4/corner_x = -1125
p5a4/corner_y = -273
p5a4/coffset = 0

p5a5/dim1 = 5
p5a5/min_fs = 256
p5a5/max_fs = 511
p5a5/min_ss = 256
p5a5/max_ss = 511
p5a5/fs = +1.0x +0.0y
p5a5/ss = +0.0x +1.0y
p5a5/corner_x = -867
p5a5/corner_y = -273
p5a5/coffset = 0

p5a6/dim1 = 5
p5a6/min_fs = 512
p5a6/max_fs = 767
p5a6/min_ss = 256
p5a6/max_ss = 511
p5a6/fs = +1.0x +0.0y
p5a6/ss = +0.0x +1.0y
p5a6/corner_x = -609
p5a6/corner_y = -273
p5a6/coffset = 0

p5a7/dim1 = 5
p5a7/min_fs = 768
p5a7/max_fs = 1023
p5a7/min_ss = 256
p5a7/max_ss = 511
p5a7/fs = +1.0x +0.0y
p5a7/ss = +0.0x +1.0y
p5a7/corner_x = -351
p5a7/corner_y = -273
p5a7/coffset = 0

p6a0/dim1 = 6
p6a0/min_fs = 0
p6a0/max_fs = 255
p6a0/min_ss = 0
p6a0/max_ss = 255
p6a0/fs = +1.0x +0.0y
p6a0/ss = +0.0x +1.0y
p6a0/corner_x = -1125
p6a0/corner_y = 16
p6a0/coffset = 0

p6a1/dim1 = 6
p6a1/min_fs = 256
p6a1/max_fs = 511
p6a1/min_ss = 0
p6a1/max_ss = 255
p6a1/fs = +1.0x +0.0y
p6a1/ss = +0.0x +1.0y
p6a1/corner_x = -867
p6a1/corner_y = 16
p6a1/coffset = 0

p6a2/dim1 = 6
p6a2/min_fs = 512
p6a2/max_fs = 767
p6a2/min_ss = 0
p6a2/max_ss = 255
p6a2/fs = +1.0x +0.0y
p6a2/ss = +0.0x +1.0y
p6a2/corner_x = -609
p6a2/corner_y = 16
p6a2/coffset = 0

p6a3/dim1 = 6
p6a3/min_fs = 768
p6a3/max_fs = 1023
p6a3/min_ss = 0
p6a3/max_ss = 255
p6a3/fs = +1.0x +0.0y
p6a3/ss = +0.0x +1.0y
p6a3/corner_x = -351
p6a3/corner_y = 16
p6a3/coffset = 0

p6a4/dim1 = 6
p6a4/min_fs = 0
p6a4/max_fs = 255
p6a4/min_ss = 256
p6a4/max_ss = 511
p6a4/fs = +1.0x +0.0y
p6a4/ss = +0.0x +1.0y
p6a4/corner_x = -1125
p6a4/corner_y = 274
p6a4/coffset = 0

p6a5/dim1 = 6
p6a5/min_fs = 256
p6a5/max_fs = 511
p6a5/min_ss = 256
p6a5/max_ss = 511
p6a5/fs = +1.0x +0.0y
p6a5/ss = +0.0x +1.0y
p6a5/corner_x = -867
p6a5/corner_y = 274
p6a5/coffset = 0

p6a6/dim1 = 6
p6a6/min_fs = 512
p6a6/max_fs = 767
p6a6/min_ss = 256
p6a6/max_ss = 511
p6a6/fs = +1.0x +0.0y
p6a6/ss = +0.0x +1.0y
p6a6/corner_x = -609
p6a6/corner_y = 274
p6a6/coffset = 0

p6a7/dim1 = 6
p6a7/min_fs = 768
p6a7/max_fs = 1023
p6a7/min_ss = 256
p6a7/max_ss = 511
p6a7/fs = +1.0x +0.0y
p6a7/ss = +0.0x +1.0y
p6a7/corner_x = -351
p6a7/corner_y = 274
p6a7/coffset = 0

p7a0/dim1 = 7
p7a0/min_fs = 0
p7a0/max_fs = 255
p7a0/min_ss = 0
p7a0/max_ss = 255
p7a0/fs = +1.0x +0.0y
p7a0/ss = +0.0x +1.0y
p7a0/corner_x = -1125
p7a0/corner_y = 563
p7a0/coffset = 0

p7a1/dim1 = 7
p7a1/min_fs = 256
p7a1/max_fs = 511
p7a1/min_ss = 0
p7a1/max_ss = 255
p7a1/fs = +1.0x +0.0y
p7a1/ss = +0.0x +1.0y
p7a1/corner_x = -867
p7a1/corner_y = 563
p7a1/coffset = 0

p7a2/dim1 = 7
p7a2/min_fs = 512
p7a2/max_fs = 767
p7a2/min_ss = 0
p7a2/max_ss = 255
p7a2/fs = +1.0x +0.0y
p7a2/ss = +0.0x +1.0y
p7a2/corner_x = -609
p7a2/corner_y = 563
p7a2/coffset = 0

p7a3/dim1 = 7
p7a3/min_fs = 768
p7a3/max_fs = 1023
p7a3/min_ss = 0
p7a3/max_ss = 255
p7a3/fs = +1.0x +0.0y
p7a3/ss = +0.0x +1.0y
p7a3/corner_x = -351
p7a3/corner_y = 563
p7a3/coffset = 0

p7a4/dim1 = 7
p7a4/min_fs = 0
p7a4/max_fs = 255
p7a4/min_ss = 256
p7a4/max_ss = 511
p7a4/fs = +1.0x +0.0y
p7a4/ss = +0.0x +1.0y
p7a4/corner_x = -1125
p7a4/corner_y = 821
p7a4/coffset = 0

p7a5/dim1 = 7
p7a5/min_fs = 256
p7a5/max_fs = 511
p7a5/min_ss = 256
p7a5/max_ss = 511
p7a5/fs = +1.0x +0.0y
p7a5/ss = +0.0x +1.0y
p7a5/corner_x = -867
p7a5/corner_y = 821
p7a5/coffset = 0

p7a6/dim1 = 7
p7a6/min_fs = 512
p7a6/max_fs = 767
p7a6/min_ss = 256
p7a6/max_ss = 511
p7a6/fs = +1.0x +0.0y
p7a6/ss = +0.0x +1.0y
p7a6/corner_x = -609
p7a6/corner_y = 821
p7a6/coffset = 0

p7a7/dim1 = 7
p7a7/min_fs = 768
p7a7/max_fs = 1023
p7a7/min_ss = 256
p7a7/max_ss = 511
p7a7/fs = +1.0x +0.0y
p7a7/ss = +0.0x +1.0y
p7a7/corner_x = -351
p7a7/corner_y = 821
p7a7/coffset = 0

