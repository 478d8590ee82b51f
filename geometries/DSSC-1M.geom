; An example: distance, photon energy and ADU scale (data in keV) are nominal.
; Put in those of the experiment, and the positions of its detector.
;
; DSSC-1M geometry, written by geomlib 0.1.0
; 16 x 128 x 512 pixels (modules, slow scan, fast scan) of 204.4 x 236 um, 32 panels
;
; x to the left looking along the beam, y up, z along the beam; the beam is at x = y = 0.
; corner_x, corner_y: outer corner of the first pixel of a panel, in pixels;
; fs, ss: step of one pixel along fast and slow scan, in pixels; coffset: z in metres.

photon_energy = 1000  ; eV
clen = 3  ; detector distance in metres
adu_per_eV = 0.001

; The axes of the data are frame, module, slow scan, fast scan.
data = /entry_1/instrument_1/detector_1/data
dim0 = %
dim2 = ss
dim3 = fs
res = 4237.28813559322  ; pixels per metre

; Groups of panels for CrystFEL 0.11 and later:
group_p0 = p0a0,p0a1
group_p1 = p1a0,p1a1
group_p2 = p2a0,p2a1
group_p3 = p3a0,p3a1
group_p4 = p4a0,p4a1
group_p5 = p5a0,p5a1
group_p6 = p6a0,p6a1
group_p7 = p7a0,p7a1
group_p8 = p8a0,p8a1
group_p9 = p9a0,p9a1
group_p10 = p10a0,p10a1
group_p11 = p11a0,p11a1
group_p12 = p12a0,p12a1
group_p13 = p13a0,p13a1
group_p14 = p14a0,p14a1
group_p15 = p15a0,p15a1
group_q0 = p0,p1,p2,p3
group_q1 = p4,p5,p6,p7
group_q2 = p8,p9,p10,p11
group_q3 = p12,p13,p14,p15
group_all = q0,q1,q2,q3

; The same for CrystFEL up to 0.10, and for cfelpyutils:
rigid_group_q0 = p0a0,p0a1,p1a0,p1a1,p2a0,p2a1,p3a0,p3a1
rigid_group_q1 = p4a0,p4a1,p5a0,p5a1,p6a0,p6a1,p7a0,p7a1
rigid_group_q2 = p8a0,p8a1,p9a0,p9a1,p10a0,p10a1,p11a0,p11a1
rigid_group_q3 = p12a0,p12a1,p13a0,p13a1,p14a0,p14a1,p15a0,p15a1
rigid_group_p0 = p0a0,p0a1
rigid_group_p1 = p1a0,p1a1
rigid_group_p2 = p2a0,p2a1
rigid_group_p3 = p3a0,p3a1
rigid_group_p4 = p4a0,p4a1
rigid_group_p5 = p5a0,p5a1
rigid_group_p6 = p6a0,p6a1
rigid_group_p7 = p7a0,p7a1
rigid_group_p8 = p8a0,p8a1
rigid_group_p9 = p9a0,p9a1
rigid_group_p10 = p10a0,p10a1
rigid_group_p11 = p11a0,p11a1
rigid_group_p12 = p12a0,p12a1
rigid_group_p13 = p13a0,p13a1
rigid_group_p14 = p14a0,p14a1
rigid_group_p15 = p15a0,p15a1
rigid_group_collection_quadrants = q0,q1,q2,q3
rigid_group_collection_modules = p0,p1,p2,p3,p4,p5,p6,p7,p8,p9,p10,p11,p12,p13,p14,p15

p0a0/dim1 = 0
p0a0/min_fs = 0
p0a0/max_fs = 255
p0a0/min_ss = 0
p0a0/max_ss = 127
p0a0/fs = -1.0x +0.0y
p0a0/ss = +0.0x +0.8660254037844387y
p0a0/corner_x = -30.372881355932236
p0a0/corner_y = 21.186440677966104
p0a0/coffset = 0

p0a1/dim1 = 0
p0a1/min_fs = 256
p0a1/max_fs = 511
p0a1/min_ss = 0
p0a1/max_ss = 127
p0a1/fs = -1.0x +0.0y
p0a1/ss = +0.0x +0.8660254037844387y
p0a1/corner_x = -294.8474576271187
p0a1/corner_y = 21.186440677966104
p0a1/coffset = 0

p1a0/dim1 = 1
p1a0/min_fs = 0
p1a0/max_fs = 255
p1a0/min_ss = 0
p1a0/max_ss = 127
p1a0/fs = -1.0x +0.0y
p1a0/ss = +0.0x +0.8660254037844387y
p1a0/corner_x = -30.372881355932236
p1a0/corner_y = 148.98684490474713
p1a0/coffset = 0

p1a1/dim1 = 1
p1a1/min_fs = 256
p1a1/max_fs = 511
p1a1/min_ss = 0
p1a1/max_ss = 127
p1a1/fs = -1.0x +0.0y
p1a1/ss = +0.0x +0.8660254037844387y
p1a1/corner_x = -294.8474576271187
p1a1/corner_y = 148.98684490474713
p1a1/coffset = 0

p2a0/dim1 = 2
p2a0/min_fs = 0
p2a0/max_fs = 255
p2a0/min_ss = 0
p2a0/max_ss = 127
p2a0/fs = -1.0x +0.0y
p2a0/ss = +0.0x +0.8660254037844387y
p2a0/corner_x = -30.372881355932236
p2a0/corner_y = 276.7872491315282
p2a0/coffset = 0

p2a1/dim1 = 2
p2a1/min_fs = 256
p2a1/max_fs = 511
p2a1/min_ss = 0
p2a1/max_ss = 127
p2a1/fs = -1.0x +0.0y
p2a1/ss = +0.0x +0.8660254037844387y
p2a1/corner_x = -294.8474576271187
p2a1/corner_y = 276.7872491315282
p2a1/coffset = 0

p3a0/dim1 = 3
p3a0/min_fs = 0
p3a0/max_fs = 255
p3a0/min_ss = 0
p3a0/max_ss = 127
p3a0/fs = -1.0x +0.0y
p3a0/ss = +0.0x +0.8660254037844387y
p3a0/corner_x = -30.372881355932236
p3a0/corner_y = 404.58765335830924
p3a0/coffset = 0

p3a1/dim1 = 3
p3a1/min_fs = 256
p3a1/max_fs = 511
p3a1/min_ss = 0
p3a1/max_ss = 127
p3a1/fs = -1.0x +0.0y
p3a1/ss = +0.0x +0.8660254037844387y
p3a1/corner_x = -294.8474576271187
p3a1/corner_y = 404.58765335830924
p3a1/coffset = 0

p4a0/dim1 = 4
p4a0/min_fs = 0
p4a0/max_fs = 255
p4a0/min_ss = 0
p4a0/max_ss = 127
p4a0/fs = -1.0x +0.0y
p4a0/ss = +0.0x +0.8660254037844387y
p4a0/corner_x = -30.372881355932236
p4a0/corner_y = -529.6610169491526
p4a0/coffset = 0

p4a1/dim1 = 4
p4a1/min_fs = 256
p4a1/max_fs = 511
p4a1/min_ss = 0
p4a1/max_ss = 127
p4a1/fs = -1.0x +0.0y
p4a1/ss = +0.0x +0.8660254037844387y
p4a1/corner_x = -294.8474576271187
p4a1/corner_y = -529.6610169491526
p4a1/coffset = 0

p5a0/dim1 = 5
p5a0/min_fs = 0
p5a0/max_fs = 255
p5a0/min_ss = 0
p5a0/max_ss = 127
p5a0/fs = -1.0x +0.0y
p5a0/ss = +0.0x +0.8660254037844387y
p5a0/corner_x = -30.372881355932236
p5a0/corner_y = -401.86061272237157
p5a0/coffset = 0

p5a1/dim1 = 5
p5a1/min_fs = 256
p5a1/max_fs = 511
p5a1/min_ss = 0
p5a1/max_ss = 127
p5a1/fs = -1.0x +0.0y
p5a1/ss = +0.0x +0.8660254037844387y
p5a1/corner_x = -294.8474576271187
p5a1/corner_y = -401.86061272237157
p5a1/coffset = 0

p6a0/dim1 = 6
p6a0/min_fs = 0
p6a0/max_fs = 255
p6a0/min_ss = 0
p6a0/max_ss = 127
p6a0/fs = -1.0x +0.0y
p6a0/ss = +0.0x +0.8660254037844387y
p6a0/corner_x = -30.372881355932236
p6a0/corner_y = -274.0602084955905
p6a0/coffset = 0

p6a1/dim1 = 6
p6a1/min_fs = 256
p6a1/max_fs = 511
p6a1/min_ss = 0
p6a1/max_ss = 127
p6a1/fs = -1.0x +0.0y
p6a1/ss = +0.0x +0.8660254037844387y
p6a1/corner_x = -294.8474576271187
p6a1/corner_y = -274.0602084955905
p6a1/coffset = 0

p7a0/dim1 = 7
p7a0/min_fs = 0
p7a0/max_fs = 255
p7a0/min_ss = 0
p7a0/max_ss = 127
p7a0/fs = -1.0x +0.0y
p7a0/ss = +0.0x +0.8660254037844387y
p7a0/corner_x = -30.372881355932236
p7a0/corner_y = -146.25980426880943
p7a0/coffset = 0

p7a1/dim1 = 7
p7a1/min_fs = 256
p7a1/max_fs = 511
p7a1/min_ss = 0
p7a1/max_ss = 127
p7a1/fs = -1.0x +0.0y
p7a1/ss = +0.0x +0.8660254037844387y
p7a1/corner_x = -294.8474576271187
p7a1/corner_y = -146.25980426880943
p7a1/coffset = 0

p8a0/dim1 = 8
p8a0/min_fs = 0
p8a0/max_fs = 255
p8a0/min_ss = 0
p8a0/max_ss = 127
p8a0/fs = +1.0x +0.0y
p8a0/ss = +0.0x -0.8660254037844387y
p8a0/corner_x = 21.186440677966104
p8a0/corner_y = -35.408552584401335
p8a0/coffset = 0

p8a1/dim1 = 8
p8a1/min_fs = 256
p8a1/max_fs = 511
p8a1/min_ss = 0
p8a1/max_ss = 127
p8a1/fs = +1.0x +0.0y
p8a1/ss = +0.0x -0.8660254037844387y
p8a1/corner_x = 285.66101694915255
p8a1/corner_y = -35.408552584401335
p8a1/coffset = 0

p9a0/dim1 = 9
p9a0/min_fs = 0
p9a0/max_fs = 255
p9a0/min_ss = 0
p9a0/max_ss = 127
p9a0/fs = +1.0x +0.0y
p9a0/ss = +0.0x -0.8660254037844387y
p9a0/corner_x = 21.186440677966104
p9a0/corner_y = -163.20895681118236
p9a0/coffset = 0

p9a1/dim1 = 9
p9a1/min_fs = 256
p9a1/max_fs = 511
p9a1/min_ss = 0
p9a1/max_ss = 127
p9a1/fs = +1.0x +0.0y
p9a1/ss = +0.0x -0.8660254037844387y
p9a1/corner_x = 285.66101694915255
p9a1/corner_y = -163.20895681118236
p9a1/coffset = 0

p10a0/dim1 = 10
p10a0/min_fs = 0
p10a0/max_fs = 255
p10a0/min_ss = 0
p10a0/max_ss = 127
p10a0/fs = +1.0x +0.0y
p10a0/ss = +0.0x -0.8660254037844387y
p10a0/corner_x = 21.186440677966104
p10a0/corner_y = -291.0093610379634
p10a0/coffset = 0

p10a1/dim1 = 10
p10a1/min_fs = 256
p10a1/max_fs = 511
p10a1/min_ss = 0
p10a1/max_ss = 127
p10a1/fs = +1.0x +0.0y
p10a1/ss = +0.0x -0.8660254037844387y
p10a1/corner_x = 285.66101694915255
p10a1/corner_y = -291.0093610379634
p10a1/coffset = 0

p11a0/dim1 = 11
p11a0/min_fs = 0
p11a0/max_fs = 255
p11a0/min_ss = 0
p11a0/max_ss = 127
p11a0/fs = +1.0x +0.0y
p11a0/ss = +0.0x -0.8660254037844387y
p11a0/corner_x = 21.186440677966104
p11a0/corner_y = -418.80976526474444
p11a0/coffset = 0

p11a1/dim1 = 11
p11a1/min_fs = 256
p11a1/max_fs = 511
p11a1/min_ss = 0
p11a1/max_ss = 127
p11a1/fs = +1.0x +0.0y
p11a1/ss = +0.0x -0.8660254037844387y
p11a1/corner_x = 285.66101694915255
p11a1/corner_y = -418.80976526474444
p11a1/coffset = 0

p12a0/dim1 = 12
p12a0/min_fs = 0
p12a0/max_fs = 255
p12a0/min_ss = 0
p12a0/max_ss = 127
p12a0/fs = +1.0x +0.0y
p12a0/ss = +0.0x -0.8660254037844387y
p12a0/corner_x = 21.186440677966104
p12a0/corner_y = 515.4389050427174
p12a0/coffset = 0

p12a1/dim1 = 12
p12a1/min_fs = 256
p12a1/max_fs = 511
p12a1/min_ss = 0
p12a1/max_ss = 127
p12a1/fs = +1.0x +0.0y
p12a1/ss = +0.0x -0.8660254037844387y
p12a1/corner_x = 285.66101694915255
p12a1/corner_y = 515.4389050427174
p12a1/coffset = 0

p13a0/dim1 = 13
p13a0/min_fs = 0
p13a0/max_fs = 255
p13a0/min_ss = 0
p13a0/max_ss = 127
p13a0/fs = +1.0x +0.0y
p13a0/ss = +0.0x -0.8660254037844387y
p13a0/corner_x = 21.186440677966104
p13a0/corner_y = 387.63850081593637
p13a0/coffset = 0

p13a1/dim1 = 13
p13a1/min_fs = 256
p13a1/max_fs = 511
p13a1/min_ss = 0
p13a1/max_ss = 127
p13a1/fs = +1.0x +0.0y
p13a1/ss = +0.0x -0.8660254037844387y
p13a1/corner_x = 285.66101694915255
p13a1/corner_y = 387.63850081593637
p13a1/coffset = 0

p14a0/dim1 = 14
p14a0/min_fs = 0
p14a0/max_fs = 255
p14a0/min_ss = 0
p14a0/max_ss = 127
p14a0/fs = +1.0x +0.0y
p14a0/ss = +0.0x -0.8660254037844387y
p14a0/corner_x = 21.186440677966104
p14a0/corner_y = 259.83809658915527
p14a0/coffset = 0

p14a1/dim1 = 14
p14a1/min_fs = 256
p14a1/max_fs = 511
p14a1/min_ss = 0
p14a1/max_ss = 127
p14a1/fs = +1.0x +0.0y
p14a1/ss = +0.0x -0.8660254037844387y
p14a1/corner_x = 285.66101694915255
p14a1/corner_y = 259.83809658915527
p14a1/coffset = 0

p15a0/dim1 = 15
p15a0/min_fs = 0
p15a0/max_fs = 255
p15a0/min_ss = 0
p15a0/max_ss = 127
p15a0/fs = +1.0x +0.0y
p15a0/ss = +0.0x -0.8660254037844387y
p15a0/corner_x = 21.186440677966104
p15a0/corner_y = 132.03769236237423
p15a0/coffset = 0

p15a1/dim1 = 15
p15a1/min_fs = 256
p15a1/max_fs = 511
p15a1/min_ss = 0
p15a1/max_ss = 127
p15a1/fs = +1.0x +0.0y
p15a1/ss = +0.0x -0.8660254037844387y
p15a1/corner_x = 285.66101694915255
p15a1/corner_y = 132.03769236237423
p15a1/coffset = 0

